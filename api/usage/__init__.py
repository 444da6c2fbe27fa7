"""Usage of machines: what they did, month by month, and what of it waits for a person."""
