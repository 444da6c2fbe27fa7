"""`officina doctor`: find the usual faults of an edge agent, and say what mends each."""
