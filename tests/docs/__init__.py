"""The documentation's commands, run as they are shown."""
