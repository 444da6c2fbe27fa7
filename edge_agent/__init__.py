"""The edge agent: reads machines over OPC UA and keeps what they say until a collector has stored it."""
