"""The guarantee of the tick under kills, freezes and cut connections: `tox -e tick`."""

ROWS = {
    "a": "deliveries of one occurrence at the same time",
    "b": "deliveries mixed, late and out of order",
    "c": "kill -9 after a statement or a commit",
    "d": "frozen there, past the lease, and thawed",
    "e": "killed at random, three at a time",
    "f": "clocks an hour off, either way",
    "g": "connection cut before or after a message",
    "h": "seconds with servers, POST /tick and command",
    "i": "database or service killed amid its work",
    "j": "steps of a model of the guarantee",
    "k": "letters, their couriers killed at random",
}

# A file has no connection to cut.
NOT_ON = {("g", "sqlite")}
