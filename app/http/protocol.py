"""uvicorn's protocol for httptools, with limits: httptools itself has none.

Overrides methods of `HttpToolsProtocol` and reads its state: pyproject.toml bounds uvicorn's
version, and tests/http/test_protocol.py says which part has moved.
"""

import asyncio
import ipaddress
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from app.http.connections import connections_of

log = structlog.get_logger()

HEAD_BYTES = 65_536
"""Of the request line and the headers together; of a chunked body's framing and trailers, too."""
MOST_HEADERS = 128
"""A header line of four bytes takes 130 in memory."""
MOST_QUEUED = 16
"""Pipelined requests of a connection, which take 3 KB each."""
FRAMING_BYTES = 5
"""The most that a byte of a chunked body needs: a chunk of one byte is sent as six."""
READ_BYTES = 16_384
"""Of an answer, to be read within its limit of seconds."""
CONNECTIONS = 1_000
SECONDS: Mapping[str, float] = {
    "head": 15.0,
    # BodyLimitMiddleware answers 408 before.
    "body": 40.0,
    "rest of a body": 5.0,
    "reading of an answer": 30.0,
    "end": 5.0,
}
"""The longest wait for each act of a client. What is left of a body after the answer is discarded,
so that a client that is still sending does not lose the answer."""

Port = TypeVar("Port")


class BoundedProtocol(HttpToolsProtocol):
    """A connection whose requests are limited in bytes, and whose client's acts are in seconds.

    Pass it to uvicorn as `http`, with the most connections of a process as `limit_concurrency`.
    Beyond them a connection that has waited for long is dropped, or the new one answered 503.
    """

    seconds = SECONDS
    held = 0

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # uvicorn would answer 503 to each of the connections while there are as many as allowed.
        self.limit_concurrency = None
        # A WebSocket has none of these limits, and no route is one.
        self.ws_protocol_class = None
        most = config.limit_concurrency or CONNECTIONS
        self._all = connections_of(server_state, self.loop, most)
        self._is_arriving = False
        """Whether a request has begun and is not whole."""
        self._arrived = 0
        """Its bytes; if it began behind another in one piece, fewer."""
        self._body = 0
        """Bytes of its body that have been parsed."""
        self._requests = 0
        """Requests that have arrived whole."""
        self._running: RequestResponseCycle | None = None
        """The request that the application works on; `cycle` is the latest."""
        self._refused = False
        self._reason = HTTPStatus.BAD_REQUEST

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if not self._all.admit():
            self.transport = transport
            self._refused = True
            transport.write(self._refusal(HTTPStatus.SERVICE_UNAVAILABLE))
            transport.close()
            return
        super().connection_made(transport)
        self.client, self.server = _unmapped(self.client), _unmapped(self.server)
        self.note_wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.forget(self)
        self._disconnect()
        super().connection_lost(exc)

    def drop(self) -> None:
        self._disconnect()
        self.transport.abort()

    def _disconnect(self) -> None:
        """Write no more; uvicorn tells only the latest request, which may wait behind another."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def data_received(self, data: bytes) -> None:
        while data and not self._refused and not self.transport.is_closing():
            # Not beyond the limit, so that the parser never holds more.
            room = HEAD_BYTES + self._body * (FRAMING_BYTES + 1) - self._arrived
            if room <= 0:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                break
            piece, data = data[:room], data[room:]
            requests = self._requests
            super().data_received(piece)
            if requests == self._requests:
                self._arrived += len(piece)
            else:
                self._arrived = int(self._is_arriving)
        self._all.hold(self, self._arrived)
        self.note_wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_arriving = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.cycle is not None and self.cycle.more_body:
            return  # a trailer: uvicorn would add it to the headers of a request that is running
        if len(self.headers) >= MOST_HEADERS:
            self._give_up(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MOST_QUEUED:
            self._give_up(HTTPStatus.TOO_MANY_REQUESTS)
        self._all.end(self)
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        # uvicorn leaves it if the answer was complete before the body.
        self.cycle.more_body = False
        self._is_arriving = False
        self._arrived = self._body = 0
        self._requests += 1

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.note_wait()

    def note_wait(self) -> None:
        act = self._awaited()
        if act is None:
            self._all.end(self)
            return
        # uvicorn ends an idle connection.
        seconds = self.seconds.get(act, self.timeout_keep_alive + 1)
        self._all.begin(self, act, seconds, self.transport.get_write_buffer_size() // READ_BYTES)

    def _awaited(self) -> str | None:
        """Return the act of the client that is waited for; None while the application works."""
        if self.transport.get_write_buffer_size() > 0:
            return "reading of an answer"
        if self._refused or self.transport.is_closing():
            return "end"
        if self.cycle is None:
            return "head"
        if self.cycle.more_body:
            return "rest of a body" if self.cycle.response_complete else "body"
        if not self.cycle.response_complete:
            return None
        return "head" if self._arrived else "next request"

    def _give_up(self, reason: HTTPStatus) -> NoReturn:
        """Leave the parser, which then calls `send_400_response`."""
        self._reason = reason
        raise ValueError(reason.phrase)

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._reason)

    def _refuse(self, reason: HTTPStatus) -> None:
        """Answer with an error, read no more requests, and close when the client does."""
        self._refused = True
        log.info("request refused", status=int(reason), client=self.client and self.client[0])
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self.pipeline or cycle.response_started or not cycle.more_body:
                cycle.keep_alive = False  # earlier requests are answered
                return
            self._disconnect()
        self.transport.write(self._refusal(reason))
        self.transport.write_eof()

    def _refusal(self, reason: HTTPStatus) -> bytes:
        body = json.dumps({"detail": reason.phrase}).encode()
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        if reason is HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", b"1"))
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        return b"".join([STATUS_LINE[reason], *lines, b"\r\n", body])

    def _unsupported_upgrade_warning(self) -> None:
        """The request is answered as if it had not asked for an upgrade (RFC 9110, section 7.8)."""


def _unmapped(address: tuple[str, Port] | None) -> tuple[str, Port] | None:
    """Return an IPv4 address in its own form: a socket for both shows it as ::ffff:127.0.0.1."""
    if address is None or not address[0].startswith("::ffff:"):
        return address
    mapped = ipaddress.IPv6Address(address[0]).ipv4_mapped
    return address if mapped is None else (str(mapped), address[1])
