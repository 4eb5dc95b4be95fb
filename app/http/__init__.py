"""Middleware, exception handlers, and the dependencies of every route.

May import resources, database, crypto, settings and the root modules; no feature.
"""
