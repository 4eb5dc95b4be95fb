"""Hostile clients: heads, bodies and addresses that are endless, large, slow or costly to read."""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote

HOLDERS = 1_500
"""Clients that keep a connection waiting: more than a process has connections by default."""
FILES = 20
"""Clients that ask for large files and do not read them."""
SENDERS = 8
"""Clients that send one request after the other, in closed loops."""
BYTES = 60_000
ENDLESS_BYTES = 2_000_000
HEAD_BYTES = 60_000

Address = tuple[str, int]

_HEAD = b"%b %b HTTP/1.1\r\nHost: a\r\n"
_GET = _HEAD % (b"GET", b"/health/live")
_POST = _HEAD % (b"POST", b"/auth/register") + b"Content-Type: application/json\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_FILE = _HEAD % (b"GET", b"/swagger/swagger-ui-bundle.js") + b"\r\n"

# How each begins, and the bytes that follow now and then.
HELD = {
    "silence": (b"", b""),
    "half a head": (_GET, b"a"),
    "a large half of a head": (_GET + b"X: " + b"a" * HEAD_BYTES, b"a"),
    "half a head of many lines": (_GET + b"a: b\r\n" * 100, b"a: b\r\n"),
    "blank lines": (b"\r\n", b"\r\n"),
    "half a body": (_POST + b"Content-Length: 60000\r\n\r\n" + b"[" * 50_000, b"["),
    "half a chunk": (_CHUNKED + b"ea60\r\n" + b"[" * 50_000, b"["),
    "a body that is not asked for": (_GET + b"Content-Length: 9999999\r\n\r\n", b"x" * 1_000),
    "idleness": (_GET + b"\r\n", b""),
}

# Whole or without an end; each is answered or closed.
HEADS = [
    _GET + b"X: " + b"a" * ENDLESS_BYTES,
    _GET + b"a" * ENDLESS_BYTES,
    b"GET /" + b"a" * ENDLESS_BYTES,
    _GET + b"a: b\r\n" * (ENDLESS_BYTES // 6),
    b"\r\n" * (ENDLESS_BYTES // 2),
    _CHUNKED + b"1;" + b"a" * ENDLESS_BYTES,
    _CHUNKED + b"0\r\n" + b"a: b\r\n" * (ENDLESS_BYTES // 6),
    (_GET + b"\r\n") * (ENDLESS_BYTES // 50),
    _GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    _GET + b"X-Forwarded-For: " + b"127.0.0.1," * 6_000 + b"\r\nConnection: close\r\n\r\n",
    b"\x16\x03\x01\x02\x00" * 1_000,
]

ALPHABETS = [
    "a",
    "\u0301\u0316",
    "\u0f71\u0f72\u0f74",
    "\ufdfa",
    "\U0001f468\u200d",
    "a.",
    "@",
    '"\\',
]
FIELDS = {
    "/auth/register": "email",
    "/auth/forgot-password": "email",
    "/auth/request-verify-token": "email",
    "/auth/verify": "token",
}
_CLOSE = b"Connection: close\r\n"


def post(path: str, kind: str, body: bytes) -> bytes:
    """Return a request with `body`."""
    length = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return _HEAD % (b"POST", path.encode()) + _CLOSE + length + body


def bodies() -> Iterator[bytes]:
    """Yield requests whose body is large, deep, or of many parts."""
    kind = "application/json"
    for body in (
        b"[" * BYTES,
        b'{"a":' * (BYTES // 5),
        b"{" + b",".join(b'"%d":1' % number for number in range(BYTES // 9)) + b"}",
        b"[" + b"1e9," * (BYTES // 4) + b"1]",
        b"9" * BYTES,
        b'"' + b"\\ud800" * (BYTES // 6) + b'"',
        b"x" * ENDLESS_BYTES,
    ):
        yield post("/auth/register", kind, body)
    part = b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\n\r\n'
    yield post("/auth/jwt/login", "multipart/form-data; boundary=x", part * (BYTES // len(part)))
    yield post("/auth/jwt/login", "application/x-www-form-urlencoded", b"a&" * (BYTES // 2))


def addresses() -> Iterator[bytes]:
    """Yield requests with texts of 60 KB that are slow to normalise, parse or match."""
    for letters in ALPHABETS:
        text = f"a{letters * (BYTES // len(letters.encode()) - 10)}@x.com"
        for path, name in FIELDS.items():
            sent = json.dumps({name: text, "password": "p"}, ensure_ascii=False)
            yield post(path, "application/json", sent.encode())
        yield (
            _HEAD % (b"GET", f"/users/{quote(text[:15_000])}"[:60_000].encode()) + _CLOSE + b"\r\n"
        )


async def hold(address: Address, start: bytes, more: bytes, until: float) -> None:
    """Keep a connection waiting, and open another when the server has closed it."""
    while time.monotonic() < until:
        try:
            _, writer = await asyncio.open_connection(*address)
            writer.write(start)
            while time.monotonic() < until and not writer.is_closing():
                writer.write(more)
                async with asyncio.timeout(20):
                    await writer.drain()
                await asyncio.sleep(1)
            writer.close()
        except (OSError, TimeoutError):
            await asyncio.sleep(1)


async def ask(address: Address, request: bytes) -> str:
    """Send a request in a connection of its own; return the status of its answer."""
    try:
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(request)
            async with asyncio.timeout(30):
                return (await reader.read(65_536))[9:12].decode() or "closed"
        finally:
            writer.close()
    except (OSError, TimeoutError) as error:
        return type(error).__name__


async def attack(address: Address, seconds: float) -> Counter[str]:
    """Attack the server at `address`; return how often the senders heard which status."""
    until = time.monotonic() + seconds
    heard: Counter[str] = Counter()
    requests = itertools.cycle([*HEADS, *bodies(), *addresses()])
    kinds = itertools.cycle(HELD.values())

    async def send() -> None:
        while time.monotonic() < until:
            heard[await ask(address, next(requests))] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(SENDERS):
            group.create_task(send())
        for _ in range(FILES):
            group.create_task(hold(address, _FILE * 10, b"", until))
        for _ in range(HOLDERS):
            group.create_task(hold(address, *next(kinds), until))
            # Not all at once, as from many hosts.
            await asyncio.sleep(0.005)
    return heard
