"""The settings, their sources, and the database URL.

May import the root modules `clock` and `folders`.
"""
