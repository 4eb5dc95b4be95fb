"""Middleware, under clients that misbehave."""

import asyncio
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from app.http.body_limit import BodyLimitMiddleware


async def unreachable(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the application must not see this request")


def send_pieces(*pieces: bytes, then_gone: bool) -> list[Message]:
    """Send an endless body, then hang up or stall; return the answer."""
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
    ]
    answered: list[Message] = []

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        if not then_gone:
            await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answered.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/tick", "headers": []}
    asyncio.run(BodyLimitMiddleware(unreachable, limit=100, seconds=0.05)(scope, receive, send))
    return answered


def test_the_wait_for_a_body_is_limited() -> None:
    start, body = send_pieces(b"{", then_gone=False)
    assert start["status"] == 408
    assert body["body"] == b'{"detail":"Request Timeout"}'
    assert (b"connection", b"close") in start["headers"]


def test_a_client_that_hangs_up_within_the_body_reaches_no_route() -> None:
    assert send_pieces(b"{", then_gone=True) == []


def test_a_body_is_refused_as_soon_as_it_is_too_large() -> None:
    start, _ = send_pieces(b"x" * 60, b"x" * 60, then_gone=False)
    assert start["status"] == 413


def test_a_long_content_type_is_refused_unread() -> None:
    answered: list[Message] = []

    async def send(message: Message) -> None:
        answered.append(message)

    async def receive() -> Message:
        raise AssertionError("the body must not be read")

    kind = (b"content-type", b"multipart/form-data" + b";" * 1_000)
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "headers": [kind]}
    asyncio.run(BodyLimitMiddleware(unreachable, limit=100)(scope, receive, send))
    assert answered[0]["status"] == 415
