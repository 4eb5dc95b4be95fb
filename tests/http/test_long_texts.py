"""Texts of 60 KB that are slow to normalise, parse or match, in each place that takes a text.

Each request may take 0.2 s of this process's time, while which no other request is served.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from fastapi import FastAPI
from starlette.types import Message

from app.actor import OPERATOR
from app.main import create_app
from app.resources import Resources
from app.settings.model import Settings
from app.users.manager import UserManager
from app.users.schemas import UserCreate
from tests.service import PASSWORD, TICK_TOKEN

pytestmark = pytest.mark.only("sqlite")

BYTES = 60_000
SECONDS = 0.2
ALPHABETS = {
    "letters": "a",
    "two marks out of order": "\u0301\u0316",
    "one mark": "\u0301",
    "Tibetan vowels": "\u0f71\u0f72\u0f74",
    "Hangul parts": "\u1100\u1161\u11a8",
    "one to eighteen": "\ufdfa",
    "joined emoji": "\U0001f468\u200d",
    "right to left": "\u202e\u05d0",
    "dots": "a.",
    "at signs": "@",
    "quotes": '"\\',
    "spaces": " \t",
    "encoded words": "=?utf-8?q?",
    "semicolons": ";",
    "digits": "9",
    "punycode": "xn--",
    "percent": "%",
    "brackets": "[",
}
ADDRESSES = ("a{}@x.com", "a@{}.com")


Ask = Callable[..., Awaitable[int]]


def asking(app: FastAPI, state: dict[str, Any]) -> Ask:
    """Return a function that sends a request to `app` and returns the status of its answer."""

    async def ask(
        method: str,
        path: str,
        query: str = "",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> int:
        given = {"host": "testserver", **(headers or {})}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
            "state": dict(state),
        }
        answered: list[Message] = []
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            answered.append(message)

        await app(scope, receive, send)
        status: int = answered[0]["status"]
        return status

    return ask


def named_fields(app: FastAPI, kind: str) -> Iterator[tuple[str, str, str]]:
    """Yield method, path and name of each field of the bodies of a content type."""
    document = app.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get(kind)
            if content is not None:
                for schema in resolved(document, content["schema"]):
                    for name in schema.get("properties", {}):
                        yield method.upper(), path, name


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one in schema.get("anyOf", [schema]):
        reference = one.get("$ref", "").rpartition("/")[2]
        yield document["components"]["schemas"][reference] if reference else one


# These pages are not in the OpenAPI document.
PAGES = [("/verify", "token"), ("/reset-password", "token"), ("/reset-password", "password")]
HEADERS = (
    "authorization",
    "host",
    "user-agent",
    "accept",
    "accept-language",
    "cookie",
    "content-type",
    "origin",
    "referer",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "if-none-match",
    "if-modified-since",
    "range",
)


VALUES = {"email": "a@b.bt", "password": PASSWORD, "username": "a@b.bt"}
FORM = "application/x-www-form-urlencoded"


def all_requests(app: FastAPI, token: str, letters: str) -> Iterator[tuple[Any, ...]]:
    """Yield requests that have 60 KB of `letters` in one place, each as the arguments of `ask`."""
    text = letters * (BYTES // len(letters.encode()))
    yield from in_json(app, token, text)
    yield from in_forms(app, text, CHARSETS)
    yield from elsewhere(token, text)
    for address in ADDRESSES:
        yield from in_json(app, token, address.replace("{}", text))
        yield from in_forms(app, address.replace("{}", text), CHARSETS[:1])


def in_json(app: FastAPI, token: str, text: str) -> Iterator[tuple[Any, ...]]:
    for method, path, name in named_fields(app, "application/json"):
        bearer = TICK_TOKEN if path == "/tick" else token
        headers = {"content-type": "application/json", "authorization": f"Bearer {bearer}"}
        sent = VALUES if path.startswith("/auth") else {}
        body = json.dumps(sent | {name: text}, ensure_ascii=False).encode()
        yield method, path, "", headers, body


def in_forms(app: FastAPI, text: str, charsets: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    forms = [(path, name) for _, path, name in named_fields(app, FORM)]
    for path, name in [*forms, *PAGES]:
        for kind, body in (
            (FORM, urlencode(VALUES | {name: "\0"}).replace("%00", text).encode()),
            *(multipart(VALUES, name, text, charset) for charset in charsets),
        ):
            yield "POST", path, "", {"content-type": kind}, body
        part = f"--x\r\nContent-Disposition: form-data; {text}\r\n\r\nvalue\r\n--x--\r\n"
        yield "POST", path, "", {"content-type": "multipart/form-data; boundary=x"}, part.encode()


def elsewhere(token: str, text: str) -> Iterator[tuple[Any, ...]]:
    """Yield requests with `text` in a query, a path or a header."""
    signed_in = {"authorization": f"Bearer {token}"}
    for query in (f"q={text}", f"after={text}", f"limit={text}", f"{text}=1"):
        yield "GET", "/users", query, signed_in
    for path in ("/verify", "/reset-password"):
        yield "GET", path, f"token={text}"
    for method in ("GET", "PATCH", "DELETE"):
        yield method, f"/users/{text}", "", {**signed_in, "content-type": "application/json"}, b"{}"
    yield "GET", f"/static/{text}"
    yield "GET", f"/{text}"
    for header in HEADERS:
        yield "GET", "/users/me", "", {header: text}
        yield "POST", "/auth/jwt/login", "", {"content-type": FORM, header: text}
    for path in ("/users/me", "/metrics"):
        yield "GET", path, "", {"authorization": f"Bearer {text}"}
    yield "POST", "/auth/jwt/login", "", {"content-type": f"multipart/form-data;{text}"}
    yield "POST", "/auth/registration", "", {"host": text}


CHARSETS = ("utf-8", "punycode", "idna", "utf-7", "unicode_escape", "raw_unicode_escape")


def multipart(values: dict[str, str], name: str, text: str, charset: str) -> tuple[str, bytes]:
    parts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{each}"\r\n\r\n{value}\r\n'
        for each, value in ({name: text} | values | {name: text}).items()
    )
    return f"multipart/form-data; boundary=x; charset={charset}", f"{parts}--x--\r\n".encode()


async def sign_in(resources: Resources) -> str:
    """Return an access token of a superuser."""
    async with resources.database.transaction() as session:
        accounts = UserManager(resources, session, OPERATOR)
        new = UserCreate(email="arthur@camelot.bt", password=PASSWORD, is_superuser=True)
        user = await accounts.create(new)
        opened = await accounts.open_session(user)
        return accounts.sessions.tokens(opened).access_token


async def cpu_seconds(ask: Ask, request: tuple[Any, ...]) -> float:
    """Return the time that the request takes of this process's; its answer must not be a 5xx."""
    before = time.process_time()
    status = await ask(*request)
    took = time.process_time() - before
    assert status < 500, (request[:3], status)
    return took


@pytest.mark.parametrize("letters", ALPHABETS.values(), ids=ALPHABETS)
def test_no_text_holds_the_process_up(settings: Settings, letters: str) -> None:
    slow: dict[str, float] = {}

    async def run() -> None:
        app = create_app(settings)
        async with app.router.lifespan_context(app) as state:
            assert state is not None
            ask = asking(app, dict(state))
            token = await sign_in(state["resources"])
            assert await ask("GET", "/users/me", "", {"authorization": f"Bearer {token}"}) == 200
            for request in all_requests(app, token, letters):
                # A garbage collection takes longer: the faster of two, if one is slow.
                took = await cpu_seconds(ask, request)
                if took > SECONDS:
                    took = min(took, await cpu_seconds(ask, request))
                if took > SECONDS:
                    slow[str(request)[:120]] = took

    asyncio.run(run())
    assert slow == {}
