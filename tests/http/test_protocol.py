"""The limits of a connection: bytes, seconds, and how many there are."""

import inspect
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http import httptools_impl
from uvicorn.server import ServerState

from app.cli.sockets import bind
from app.http import connections, protocol
from app.http.protocol import HEAD_BYTES, MOST_HEADERS, MOST_QUEUED, BoundedProtocol
from tests.service import get, over_tcp

pytestmark = pytest.mark.only("sqlite")

LIMIT = 0.3
"""Of each wait of `Quick`, in seconds; the waits are looked at once a second."""
LARGE, PIECE = 30_000_000, 100_000


class Quick(BoundedProtocol):
    seconds = dict.fromkeys(protocol.SECONDS, LIMIT)


class Patient(BoundedProtocol):
    seconds = dict.fromkeys(protocol.SECONDS, 3 * LIMIT)


class NeverUsed(BoundedProtocol):
    """Stands for a WebSocket implementation."""

    def data_received(self, data: bytes) -> None:
        raise AssertionError("a WebSocket has none of the limits")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the names of the headers; a POST after its body, /large with 30 MB."""
    if scope["method"] == "POST":
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
    body = b" ".join(name for name, _ in scope["headers"])
    pieces = [b"x" * PIECE] * (LARGE // PIECE) if scope["path"] == "/large" else [body]
    length = (b"content-length", str(sum(map(len, pieces))).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


@contextmanager
def serving(kind: type[BoundedProtocol], most: int = 100) -> Iterator[tuple[str, int]]:
    """Serve `app` in a thread; give its address."""
    [listening] = bind("127.0.0.1", 0)
    address: tuple[str, int] = listening.getsockname()
    config = uvicorn.Config(
        app,
        http=kind,
        ws=NeverUsed,
        lifespan="off",
        limit_concurrency=most,
        log_config=None,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=[[listening]], daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield address
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def patient() -> Iterator[tuple[str, int]]:
    """A server with the limits of production."""
    with serving(BoundedProtocol) as address:
        yield address


def send(address: tuple[str, int], data: bytes, seconds: float = 10) -> bytes:
    """Send `data` and no more; return all that is answered until the server closes."""
    with socket.create_connection(address, timeout=seconds) as client:
        try:
            client.sendall(data)
        except OSError:
            pass  # it has heard enough
        return receive_all(client)


def receive_all(client: socket.socket) -> bytes:
    answered = b""
    try:
        while piece := client.recv(65_536):
            answered += piece
    except ConnectionResetError:
        pass
    return answered


START = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
MUCH = 20_000_000
# None of them ends.
TOO_LARGE = {
    "a value": START + b"X: " + b"a" * MUCH,
    "a name": START + b"a" * MUCH,
    "a path": b"GET /" + b"a" * MUCH,
    "a query": b"GET /?" + b"a" * MUCH,
    "many lines": START + b"a: b\r\n" * (MUCH // 6),
    "a folded line": START + b"X: a\r\n" + b" a\r\n" * (MUCH // 4),
    "blank lines": b"\r\n" * (MUCH // 2),
    "a chunk's extension": CHUNKED + b"1;" + b"a" * MUCH,
    "a chunk's length": CHUNKED + b"0" * MUCH,
    "a trailer": CHUNKED + b"0\r\nX: " + b"a" * MUCH,
    "many trailers": CHUNKED + b"0\r\n" + b"a: b\r\n" * (MUCH // 6),
    "the second of two": START.replace(b"close", b"keep-alive") + b"\r\nGET /" + b"a" * MUCH,
}


@pytest.mark.parametrize("sent", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_head_without_an_end_is_refused(patient: tuple[str, int], sent: bytes) -> None:
    answers = send(patient, sent).split(b"HTTP/1.1 ")[1:]
    # A parser of its own mind about folded lines, blank ones and lengths says 400.
    assert answers[-1][:3] in (b"431", b"400") or len(answers) == 1
    assert b"connection: close" in answers[-1]
    if answers[-1].startswith(b"431"):
        assert answers[-1].endswith(b'{"detail": "Request Header Fields Too Large"}')


@pytest.mark.parametrize(("size", "status"), [(HEAD_BYTES, b"200"), (HEAD_BYTES + 1, b"431")])
def test_the_limit_is_of_the_head_in_all(
    patient: tuple[str, int], size: int, status: bytes
) -> None:
    head = START + b"X: \r\n\r\n"
    sent = head.replace(b"X: ", b"X: " + b"a" * (size - len(head)))
    assert len(sent) == size
    assert send(patient, sent).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(("lines", "status"), [(0, b"200"), (1, b"431")])
def test_the_limit_of_lines(patient: tuple[str, int], lines: int, status: bytes) -> None:
    sent = START + b"a: b\r\n" * (MOST_HEADERS - 2 + lines) + b"\r\n"
    assert send(patient, sent).startswith(b"HTTP/1.1 " + status)


def test_a_body_counts_for_nothing(patient: tuple[str, int]) -> None:
    """Of any length, in chunks of a byte too."""
    for sent in (
        b"Content-Length: 1000000\r\n\r\n" + b"a" * 1_000_000,
        b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n",
    ):
        start = START.replace(b"GET", b"POST")
        assert send(patient, start + sent).startswith(b"HTTP/1.1 200")


def test_a_trailer_is_no_header(patient: tuple[str, int]) -> None:
    chunked = CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = send(patient, chunked + b"1\r\na\r\n0\r\nEvil: x\r\n\r\n")
    assert answer.endswith(b"host transfer-encoding connection")


def test_requests_that_wait_in_a_connection_are_few(patient: tuple[str, int]) -> None:
    keep = START.replace(b"close", b"keep-alive") + b"\r\n"
    assert send(patient, keep * 10_000).count(b"HTTP/1.1 200") <= MOST_QUEUED + 1
    last = keep * MOST_QUEUED + START + b"\r\n"
    assert send(patient, last).count(b"HTTP/1.1 200") == MOST_QUEUED + 1


def test_no_upgrade_leaves_the_limits(patient: tuple[str, int]) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    start = b"GET / HTTP/1.1\r\nHost: a\r\n" + upgrade + b"Sec-WebSocket-Key: eA==\r\n\r\n"
    with socket.create_connection(patient, timeout=10) as client:
        client.sendall(start)
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        client.sendall(START + b"X: " + b"a" * 100_000)
        assert receive_all(client).startswith(b"HTTP/1.1 431")


WAITS = {
    "silence": b"",
    "half a request line": b"GE",
    "half a head": START,
    "a blank line": b"\r\n",
    "half a body": START.replace(b"GET", b"POST") + b"Content-Length: 9\r\n\r\n1234",
    "half a body that is not read": b"GET / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1234",
    "half a head after a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGE",
    "after a refusal": START + b"a: b\r\n" * (MOST_HEADERS + 1),
}


def test_each_wait_for_a_client_ends() -> None:
    """Whether the client is silent, or sends a byte now and then."""
    with serving(Quick) as address:
        held = {name: socket.create_connection(address, timeout=10) for name in WAITS}
        for name, client in held.items():
            client.sendall(WAITS[name])
        begun = time.monotonic()
        while time.monotonic() - begun < 2 * LIMIT:
            time.sleep(0.1)
            for name in ("half a head", "a blank line", "half a body that is not read"):
                held[name].sendall(b"\r\n" if name == "a blank line" else b"x")
        for client in held.values():
            receive_all(client)
            client.close()
        assert time.monotonic() - begun < 5


def test_the_wait_for_a_reader_ends() -> None:
    with serving(Quick) as address, socket.create_connection(address, timeout=10) as client:
        client.sendall(START.replace(b"/ ", b"/large ", 1) + b"\r\n")
        time.sleep(3)
        assert len(receive_all(client)) < LARGE


def test_a_reader_of_several_answers_leaves_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """uvicorn wrote the first answer on, because it was not the latest request's."""
    with serving(Quick) as address, socket.create_connection(address, timeout=10) as client:
        client.sendall((START.replace(b"/ ", b"/large ", 1).replace(b"close", b"") + b"\r\n") * 3)
        assert client.recv(10)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_slow_reader_gets_all() -> None:
    """Though it takes longer than one pause may, a few of which the kernel's buffer makes one."""
    with serving(Patient) as address, socket.create_connection(address, timeout=10) as client:
        client.sendall(START.replace(b"/ ", b"/large ", 1) + b"\r\n")
        answered = 0
        begun = time.monotonic()
        while piece := client.recv(1_000_000):
            answered += len(piece)
            time.sleep(0.1)
        assert time.monotonic() - begun > 6 * LIMIT
        assert answered > LARGE


def test_connections_beyond_the_limit_are_refused_until_others_have_waited() -> None:
    with serving(BoundedProtocol, most=20) as address:
        silent = [socket.create_connection(address, timeout=10) for _ in range(20)]
        answer = send(address, b"")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in answer
        time.sleep(connections.GRACE_SECONDS + 0.1)
        for _ in range(20):
            assert send(address, START + b"\r\n").startswith(b"HTTP/1.1 200")
        # Each took the place of the one that had waited longest, or of nobody.
        silent[0].settimeout(10)
        assert silent[0].recv(1) == b""
        for client in silent:
            client.close()


def test_heads_that_have_not_ended_hold_little_memory_together() -> None:
    """The connections with the most give way."""
    with serving(BoundedProtocol, most=1_000) as address:
        held = [socket.create_connection(address, timeout=10) for _ in range(200)]
        for client in held:
            try:
                client.sendall(START + b"X: " + b"a" * (HEAD_BYTES - 1_000))
            except OSError:
                pass
        assert send(address, START + b"\r\n").startswith(b"HTTP/1.1 200")
        left = 0
        for client in held:
            client.setblocking(False)
            try:
                client.recv(1)
            except BlockingIOError:
                left += 1
            except OSError:
                pass
            client.close()
        assert left <= connections.MOST_BYTES // (HEAD_BYTES - 1_000)
        assert left > 50


def test_the_server_has_the_limits_in_each_worker(tmp_path: Path) -> None:
    with over_tcp(tmp_path, workers=2, http_connections="1") as service:
        service.client.close()
        time.sleep(connections.GRACE_SECONDS + 0.1)
        port = service.client.base_url.port
        assert port is not None
        address = ("127.0.0.1", port)
        for _ in range(8):
            assert b" 431 " in send(address, START + b"X: " + b"a" * 100_000)
        with ExitStack() as stack:
            many = [
                stack.enter_context(socket.create_connection(address, timeout=10))
                for _ in range(20)
            ]
            time.sleep(connections.GRACE_SECONDS)
            readable, _, _ = select.select(many, [], [], 0)
            refused = [client for client in readable if client.recv(12) == b"HTTP/1.1 503"]
            assert len(refused) >= 18
            assert get(f"http://127.0.0.1:{port}/health/ready").status_code == 200


def test_the_limits_of_production() -> None:
    assert HEAD_BYTES == 65_536
    assert protocol.SECONDS["head"] == 15


def test_uvicorns_protocol_has_the_parts_that_are_used() -> None:
    """If red, they have moved: app/http/protocol.py overrides or reads them."""
    theirs = vars(httptools_impl.HttpToolsProtocol)
    for name, value in vars(BoundedProtocol).items():
        ours = ["drop", "note_wait", "_disconnect", "_awaited", "_give_up", "_refuse", "_refusal"]
        if inspect.isfunction(value) and name not in ours:
            assert inspect.signature(theirs[name]).parameters.keys() == (
                inspect.signature(value).parameters.keys()
            ), name
    config = uvicorn.Config(app, log_config=None)
    state = ServerState()
    loop: object = type("Loop", (), {})()
    made = httptools_impl.HttpToolsProtocol(config, state, {}, loop)  # type: ignore[arg-type]
    assert made.connections is state.connections
    for name in (
        "client",
        "cycle",
        "headers",
        "pipeline",
        "limit_concurrency",
        "ws_protocol_class",
    ):
        assert hasattr(made, name), name
    used = "disconnected keep_alive message_event more_body response_complete response_started"
    cycle = inspect.getsource(httptools_impl.RequestResponseCycle.__init__)
    for name in used.split():
        assert f"self.{name} =" in cycle, name
