"""The machines: which there are, how they are, how they were."""
