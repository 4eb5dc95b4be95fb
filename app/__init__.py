"""Keystead: accounts, sessions and scheduled work in one small FastAPI application."""

__version__ = "0.1.0"
