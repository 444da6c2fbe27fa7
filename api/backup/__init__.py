"""Backup and restore of an installation: records, telemetry, keys."""
