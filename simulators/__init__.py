"""Stand-ins for hardware: machines as models, served over OPC UA, and recordings of real machines played again."""
