"""Installing Officina: secrets, certificates and settings for every program, written into one folder."""
