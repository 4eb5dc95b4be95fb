"""A gateway before a function: HTTP in front, events behind."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

from tests.aws.emulator import Emulator, FunctionError
from tests.aws.events import Request, Response, http_api, response
from tests.aws.peer import Peer

# Headers of one connection, which are not forwarded.
_HOP_BY_HOP = ("connection", "content-length", "date", "server", "transfer-encoding")


class Gateway(Peer):
    """Forwards each request to a free process, and returns its answer."""

    def __init__(
        self,
        sandboxes: Sequence[Emulator],
        make_event: Callable[[Request], dict[str, Any]] = http_api,
        port: int = 0,
    ) -> None:
        self._make_event = make_event
        self._free = SimpleQueue[Emulator]()
        for sandbox in sandboxes:
            self._free.put(sandbox)
        super().__init__(_handler(self.answer), port)

    def answer(self, request: Request) -> Response:
        sandbox = self._free.get(timeout=60)
        try:
            return response(sandbox.invoke(self._make_event(request)))
        except FunctionError:
            body = b'{"message":"Internal Server Error"}'
            return Response(500, [("content-type", "application/json")], body)
        finally:
            self._free.put(sandbox)


@contextmanager
def schedule(sandbox: Emulator, seconds: float = 1) -> Iterator[None]:
    """Send the schedule's event once a second, as EventBridge would."""
    over = Event()

    def send() -> None:
        while not over.wait(seconds):
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            try:
                sandbox.invoke({"tick": {"scheduled_at": now}})
            except FunctionError:
                pass  # the next event follows

    thread = Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)


def _handler(answer: Callable[[Request], Response]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):
                return self._hand_on
            raise AttributeError(name)

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _hand_on(self) -> None:
            parts = urlsplit(self.path)
            given = answer(
                Request(
                    self.command,
                    parts.path,
                    parts.query,
                    tuple(self.headers.items()),
                    self._body(),
                    self.client_address[0],
                )
            )
            self.send_response_only(given.status)
            for name, value in given.headers:
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            if given.status >= 200 and given.status not in (204, 304):
                self.send_header("content-length", str(self._length(given)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(given.body)

        def _length(self, given: Response) -> int:
            if self.command == "HEAD":
                said = [value for name, value in given.headers if name == "content-length"]
                return int(said[0]) if said else 0
            return len(given.body)

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding", "") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

    return Handler
