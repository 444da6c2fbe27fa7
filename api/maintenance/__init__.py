"""Maintenance: rules judge what machines say, alarms keep people informed, incidents say it once."""
