"""Lambda's answers are uvicorn's, byte by byte: status, headers, cookies and body."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from difflib import unified_diff
from pathlib import Path

import httpx2
import pytest

from tests.aws.emulator import Emulator
from tests.aws.events import KINDS
from tests.aws.gateway import Gateway
from tests.aws.service import the_artifact
from tests.databases.server import free_port
from tests.service import (
    METRICS_TOKEN,
    PASSWORD,
    SERVICE_TOKEN,
    TICK_TOKEN,
    Server,
    bearer,
    make_environment,
    new_address,
    run_command,
)

# Headers that depend on the connection, the time, or a file's date.
_NOT_COMPARED = ("connection", "date", "keep-alive", "last-modified", "etag", "transfer-encoding")
_NORMAL = (
    (r"https?://127\.0\.0\.1:\d+", "here"),
    (r"k[0-9a-f]{32}@", "k…@"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "an id"),
    (r"\b[0-9a-f]{32}\b", "a request's id"),
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]+|kr_[\w-]+", "a token"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "a time"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("both")


@pytest.fixture(scope="module")
def servers(folder: Path) -> Iterator[dict[str, str]]:
    """The URLs of uvicorn, and of Lambda behind each kind of gateway, on one database."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    environment = make_environment(folder, tick_seconds="0", base_url=base_url)
    with ExitStack() as stack:
        uvicorn = stack.enter_context(Server(environment, port, 1, folder / "log"))
        sandbox = stack.enter_context(Emulator(the_artifact(), environment, folder / "lambda"))
        gateways = {
            kind: stack.enter_context(Gateway([sandbox], make_event))
            for kind, make_event in KINDS.items()
        }
        yield {
            "uvicorn": uvicorn.url,
            **{kind: gateway.url for kind, gateway in gateways.items()},
        }


def tour(url: str, superuser: str) -> list[str]:
    """Send every request, valid and invalid; return the answers, line by line."""
    with httpx2.Client(base_url=url, timeout=60, verify=False) as client:
        shown = [_shown(answer) for answer in _visits(client, superuser)]
    return "\n".join(shown).splitlines()


def _visits(client: httpx2.Client, superuser: str) -> Iterator[httpx2.Response]:
    get, post, patch, delete = client.get, client.post, client.patch, client.delete

    def login(address: str, password: str = PASSWORD) -> httpx2.Response:
        return post("/auth/jwt/login", data={"username": address, "password": password})

    person = {"email": new_address(), "password": PASSWORD}
    yield (made := post("/auth/register", json=person))
    yield post("/auth/register", json=person)
    yield post("/auth/registration", json=person)
    yield post("/auth/register", json={"email": "no address", "password": "ü€😀"})
    yield post("/auth/register", content=b"{", headers={"Content-Type": "application/json"})
    yield post("/auth/register", content=b"\xff\xfe\x00", headers={"Content-Type": "text/plain"})
    yield post("/auth/register", content=b'{"email": "x"}')
    yield post("/auth/register", json={"email": "x", "password": "x" * 70_000})
    yield (logged_in := login(person["email"]))
    yield login(person["email"].upper())
    yield login(person["email"], "wrong ü&=+%")
    yield post("/auth/jwt/login", json=person)
    headers = bearer(logged_in.json()["access_token"])
    yield get("/users/me", headers=headers)
    yield get("/users/me")
    yield get("/users/me", headers={"Cookie": "a=1; b=2", **headers})
    yield get("/users/me?access_token=x", headers={"Authorization": "Basic eA=="})
    yield patch("/users/me", headers=headers, json={"email": new_address()})
    yield patch("/users/me", headers=headers, json={"email": None})
    yield patch("/users/me", headers=headers, content=b"{}")
    yield post("/auth/request-verify-token", json={"email": person["email"]})
    yield post("/auth/forgot-password", json={"email": person["email"]})
    yield post("/auth/verify", json={"token": "x"})
    yield post("/auth/reset-password", json={"token": "x", "password": "longer than 8"})
    yield get("/users", headers=headers)
    yield from _visit_tokens(client)
    admin = bearer(login(superuser).json()["access_token"])
    yield get("/users?limit=1&q=k&q=nobody%20%26", headers=admin)
    yield get("/users?limit=0", headers=admin)
    one = f"/users/{made.json()['id']}"
    yield get(one, headers=admin)
    yield get(one.upper(), headers=admin)
    yield get("/users/not%20an%20id%2f", headers=admin)
    yield patch(one, headers=admin, json={"is_verified": "true"})
    yield patch(one, headers=admin, json={"is_active": None})
    yield delete(one, headers=admin)
    yield delete(one, headers=admin)
    yield post("/tick", headers=bearer(TICK_TOKEN), json={"job": "conquer"})
    yield post("/tick", headers=bearer("wrong"))
    yield get("/tick")
    yield get("/metrics", headers=bearer("wrong"))
    yield get("/admin/ticks/conquer", headers=admin)
    yield post("/auth/jwt/logout", headers=admin)
    yield post("/auth/jwt/logout", headers=admin)
    for path in ("/verify?token=x", "/reset-password?token=%3Cscript%3E", "/docs", "/openapi.json"):
        yield get(path)
    for path in ("/static/keystead.css", "/static/../main.py", "/swagger/swagger-ui.css"):
        yield (file := get(path))
        yield client.head(path)
        if "etag" in file.headers:
            yield get(path, headers={"If-None-Match": file.headers["etag"]})
    for path in ("/health/live", "/users/me", "/docs", "/tick", "/nowhere"):
        yield client.head(path, headers=admin)
    yield get("/health/live")
    yield get("/health/ready")
    yield get("/nowhere/ü/%C3%BC")
    yield client.options("/users/me")
    yield client.request("PROPFIND", "/users/me")


def _visit_tokens(client: httpx2.Client) -> Iterator[httpx2.Response]:
    get, post = client.get, client.post
    form = {"username": new_address(), "password": PASSWORD}
    yield post("/auth/register", json={"email": form["username"], "password": PASSWORD})
    own = {"Sec-Fetch-Site": "same-origin"}
    yield (pair := post("/auth/token", data=form | {"grant_type": "password"}))
    token = {"refresh_token": pair.json()["refresh_token"]}
    yield post("/auth/jwt/refresh", json=token)
    yield post("/auth/jwt/refresh", data=token | {"grant_type": "refresh_token"})
    yield post("/auth/jwt/refresh", json={"refresh_token": "kr_x"})
    yield (jar := post("/auth/cookie/login", data=form, headers=own))
    yield post("/auth/cookie/login", data=form, headers={"Origin": "https://evil.bt"})
    client.cookies.clear()
    cookie = {"Cookie": jar.headers["set-cookie"].partition(";")[0]}
    yield get("/users/me/sessions", headers=cookie)
    yield get("/auth/forward", headers=cookie)
    yield client.delete("/users/me/sessions", headers=cookie)
    yield client.delete("/users/me/sessions/x", headers=cookie | own)
    yield post("/auth/cookie/logout", headers=cookie | own)
    for name in ("jwks.json", "oauth-authorization-server"):
        yield (document := get(f"/.well-known/{name}"))
        yield get(f"/.well-known/{name}", headers={"If-None-Match": document.headers["etag"]})
    yield post("/auth/introspect", data={"token": "x"}, headers=bearer(SERVICE_TOKEN))
    yield post("/auth/introspect", data={"token": "x"})
    yield post("/auth/revoke", data={"token": pair.json()["access_token"]})


def _shown(answer: httpx2.Response) -> str:
    asked = f"{answer.request.method} {answer.request.url.raw_path.decode()}"
    headers = sorted(
        f"{name.lower()}: {value}"
        for name, value in answer.headers.multi_items()
        if name.lower() not in _NOT_COMPARED
    )
    text = "\n".join([asked, str(answer.status_code), *headers, "", answer.text, ""])
    for pattern, name in _NORMAL:
        text = re.sub(pattern, name, text, flags=re.IGNORECASE)
    return text


def test_each_answer_is_uvicorns(folder: Path, servers: dict[str, str]) -> None:
    superuser = new_address()
    environment = make_environment(folder)
    run_command(
        environment, "user", "create", superuser, "--superuser", "--password-stdin", stdin=PASSWORD
    )
    expected = tour(servers["uvicorn"], superuser)
    for kind in KINDS:
        answers = tour(servers[kind], superuser)
        differences = list(unified_diff(expected, answers, "uvicorn", kind, n=9, lineterm=""))
        print(f"{kind}: {len(answers)} lines, {len(differences)} differ from uvicorn's")
        assert not differences, "\n".join(differences)


def test_metrics_are_text(servers: dict[str, str]) -> None:
    """Figures differ from one scrape to the next; their format does not.

    On Lambda requests and log-ins are metrics of CloudWatch.
    """
    said = [
        httpx2.get(f"{servers[kind]}/metrics", headers=bearer(METRICS_TOKEN), verify=False)
        for kind in ("uvicorn", *KINDS)
    ]
    assert {answer.status_code for answer in said} == {200}
    assert len({answer.headers["content-type"] for answer in said}) == 1
    served, *names = [
        set(re.findall(r"^# TYPE (\S+)", answer.text, re.MULTILINE)) for answer in said
    ]
    assert {"keystead_tick_lag_seconds", "keystead_outbox_messages"} <= names[0] < served
    assert all(found == names[0] for found in names)
