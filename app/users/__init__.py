"""Accounts: table, schemas, e-mail keys, database adapter, manager, routes of superusers.

May import sessions, mail, http and all below; not auth.
"""
