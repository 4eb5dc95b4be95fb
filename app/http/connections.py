"""The connections of a process: for how long each may keep it waiting, and which one gives way."""

from asyncio import AbstractEventLoop
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import structlog
from uvicorn.server import ServerState

log = structlog.get_logger()

GRACE_SECONDS = 0.25
"""For how long a connection may wait before it gives way to a new one. A request follows its
connection at once; a thousand new connections within that time are answered 503."""
MOST_BYTES = 8 * 1_024 * 1_024
"""Of all requests that have not arrived whole."""
SWEEP_SECONDS = 1
WARN_SECONDS = 60


class Connection(Protocol):
    """A client's connection, as `Connections` sees it."""

    client: tuple[str, int] | None
    held: int
    """Bytes of a request that has not arrived whole."""

    def note_wait(self) -> None:
        """Call `Connections.begin` or `end`, by the connection's state."""

    def drop(self) -> None:
        """End the connection at once."""


class Wait(NamedTuple):
    """The time since and until which a connection may wait for `act`, by the loop's clock."""

    act: str
    part: int
    since: float
    until: float


class Connections:
    """The connections of one server, and the order in which they wait for their clients.

    Each wait has a limit. If there are too many connections, the one that waits longest is dropped
    for a new one: an attacker who opens connections and is silent keeps no other client out.
    """

    def __init__(self, loop: AbstractEventLoop, state: ServerState, most: int) -> None:
        self._loop = loop
        self._open: set[Any] = state.connections
        self._most = most
        self._waits: dict[Connection, Wait] = {}
        self._held = 0
        self._sweeps = False
        self._warned = -float(WARN_SECONDS)

    def admit(self) -> bool:
        """Return whether there is room for one more connection; make it if need be."""
        if len(self._open) < self._most:
            return True
        now = self._loop.time()
        oldest = next(iter(self._waits), None)
        if now - self._warned >= WARN_SECONDS:
            self._warned = now
            log.warning("as many connections as are allowed", most=self._most)
        if oldest is None or now - self._waits[oldest].since < GRACE_SECONDS:
            return False
        self._drop(oldest)
        return True

    def begin(self, connection: Connection, act: str, seconds: float, part: int = 0) -> None:
        """Limit the wait of `connection` for an act of its client, or a part of it, once."""
        begun = self._waits.get(connection)
        if begun is not None and (begun.act, begun.part) == (act, part):
            return
        now = self._loop.time()
        self.end(connection)
        self._waits[connection] = Wait(act, part, now, now + seconds)
        if not self._sweeps:
            self._sweeps = True
            self._loop.call_later(SWEEP_SECONDS, self._sweep)

    def end(self, connection: Connection) -> None:
        """The connection waits no more, or for another act."""
        self._waits.pop(connection, None)

    def hold(self, connection: Connection, held: int) -> None:
        """Note the bytes that `connection` holds. Beyond MOST_BYTES, drop the one with the most."""
        self._held += held - connection.held
        connection.held = held
        if self._held > MOST_BYTES and self._waits:
            self._drop(max(self._waits, key=lambda one: one.held))

    def forget(self, connection: Connection) -> None:
        """The connection has ended."""
        self.end(connection)
        self._held -= connection.held
        connection.held = 0

    def _drop(self, connection: Connection) -> None:
        self.forget(connection)
        connection.drop()

    def _sweep(self) -> None:
        for one in list(self._open):
            one.note_wait()
        now = self._loop.time()
        for connection, wait in list(self._waits.items()):
            if wait.until <= now:
                seconds = round(now - wait.since)
                client = connection.client and connection.client[0]
                log.info("connection dropped", waited_for=wait.act, s=seconds, client=client)
                self._drop(connection)
        self._sweeps = bool(self._open)
        if self._sweeps:
            self._loop.call_later(SWEEP_SECONDS, self._sweep)


_OF_SERVER: WeakKeyDictionary[ServerState, Connections] = WeakKeyDictionary()


def connections_of(state: ServerState, loop: AbstractEventLoop, most: int) -> Connections:
    """Return the connections of a server: uvicorn makes one of its states for each process."""
    if state not in _OF_SERVER:
        _OF_SERVER[state] = Connections(loop, state, most)
    return _OF_SERVER[state]
