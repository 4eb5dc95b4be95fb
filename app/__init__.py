"""Keystead: accounts, sessions and scheduled work in one small FastAPI application."""
