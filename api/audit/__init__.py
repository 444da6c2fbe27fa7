"""Who did what: an append-only trail of every change and every sign-in."""
