"""The collector: from the broker to the store, acknowledged only when committed."""
