"""The artifact in AWS's own runtime: its emulator, and the client of its runtime interface."""
