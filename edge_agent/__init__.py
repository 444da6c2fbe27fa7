"""The edge agent: reads machines over OPC UA and publishes what they say, with nothing lost."""
