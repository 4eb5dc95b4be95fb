"""The append-only record of what happened to accounts and sessions.

May import http, resources, database and the root modules; not users, sessions or auth.
"""
