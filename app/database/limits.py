"""Limits to every wait for the database, in seconds.

A client waits half a minute at most: each limit leaves time to answer it.
"""

CONNECT_SECONDS = 5  # a reachable host answers in milliseconds, a silent one never
LOCK_SECONDS = 5  # two hundred writers of one row take a second
QUEUE_SECONDS = 30  # on SQLite, where the writers of all tables queue for one lock
STATEMENT_SECONDS = 15  # ours take milliseconds
ANSWER_SECONDS = 20  # for a server that has become unreachable
IDLE_SECONDS = 60  # in a transaction: a frozen process must release its locks
