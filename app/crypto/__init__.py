"""Password hashing and signed tokens.

May import settings and the root modules `errors` and `clock`.
"""
