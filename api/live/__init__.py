"""The present: fed from the broker, derived by the same rules as the past, sent to whoever watches."""
