"""OPC UA PubSub (OPC 10000-14, 1.05) JSON over MQTT: topics and messages."""
