"""Periodic jobs, run exactly once an occurrence; the jobs themselves are handed in.

May import http, schema, resources and all below; no feature.
"""
