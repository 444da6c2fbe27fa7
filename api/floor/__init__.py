"""What is said at a machine: why it stands still, and that somebody is wanted there."""
