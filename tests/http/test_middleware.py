"""Middleware, under clients that misbehave."""

import asyncio
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from app.http.body_limit import BodyLimitMiddleware
from app.http.head_requests import HeadMiddleware


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


def test_head_sends_no_body_whatever_the_server_does_with_it() -> None:
    answered: list[Message] = []

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["method"] == "GET"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        await send({"type": "http.response.body", "body": b"more"})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answered.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "HEAD", "path": "/", "headers": []}
    asyncio.run(HeadMiddleware(answer)(scope, receive, send))
    assert scope["method"] == "HEAD"
    assert [message.get("body") for message in answered] == [None, b"", b""]
