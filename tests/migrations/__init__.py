"""Tests of migrations/: `tox -e matrix`."""

ROWS = {
    "a": "up, down, up: rows that are the same",
    "b": "rows of old revisions, read at head by the application",
    "c": "kill -9 after a statement, then run again",
    "d": "migrators at once, one killed in the lock",
    "e": "lines of the schema that are the models'",
    "f": "constraints that refuse, keys that tell apart",
    "g": "dirty data: refused or converged",
    "h": "offline SQL, executed",
    "i": "contract tests of the release before",
    "j": "revisions whose locks were looked at",
    "k": "landed revisions and names, unchanged",
}

NOT_ON: set[tuple[str, str]] = set()
"""Rows without cases on a database."""
