"""The database: engine, drivers, column types, statements, and all drivers' errors in one form.

May import settings and the root modules `errors`, `clock`, `ids`, `folders`.
"""
