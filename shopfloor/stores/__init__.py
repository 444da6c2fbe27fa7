"""The telemetry store: one port, its adapters, and how to open one from its address."""
