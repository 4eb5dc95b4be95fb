"""The revisions of the schema, the checks before a migration, and the migration itself.

May import database, settings and the root modules; no feature.
"""
