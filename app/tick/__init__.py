"""Periodic work that happens once an occurrence."""
