"""What every long-running program needs: clock, logs, backoff, signals, readiness."""
