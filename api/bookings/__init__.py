"""Bookings: who has reserved a machine when, what is free, and what became of it."""
