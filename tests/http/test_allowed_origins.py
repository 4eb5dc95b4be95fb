"""CORS: a browser application on a listed origin can read every answer, errors included."""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import httpx2
import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from app.errors import DatabaseUnavailable, TickTooOften
from app.main import create_app
from app.settings.model import Settings
from tests.service import PASSWORD, make_environment, settings_from

pytestmark = pytest.mark.only("sqlite")

APP = "https://app.camelot.bt"
LOGOUT = "/auth/cookie/logout"
OTHERS = (
    "https://evil.example",
    "http://app.camelot.bt",
    "https://app.camelot.bt:8443",
    "https://app.camelot.bt.evil.example",
    "https://evil-app.camelot.bt",
    "HTTPS://APP.CAMELOT.BT",
    "null",
    "*",
    "",
)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    listed = {"origins": [APP, "http://localhost:5173"], "body_limit_bytes": 1_024}
    app = create_app(settings.model_copy(update=listed))

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError

    @app.get("/often")
    async def often() -> None:
        raise TickTooOften(5)

    @app.get("/outage")
    async def outage() -> None:
        raise DatabaseUnavailable

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


Send = Callable[[TestClient], httpx2.Response]
ANSWERS: dict[int, Send] = {
    200: lambda client: client.get("/health/live", headers={"Origin": APP}),
    400: lambda client: client.post(
        "/auth/jwt/login", data={"username": "x", "password": "y"}, headers={"Origin": APP}
    ),
    401: lambda client: client.get("/users/me", headers={"Origin": APP}),
    404: lambda client: client.get("/nowhere", headers={"Origin": APP}),
    405: lambda client: client.put("/users/me", headers={"Origin": APP}),
    413: lambda client: client.post("/auth/verify", content=b"x" * 2_000, headers={"Origin": APP}),
    415: lambda client: client.post(
        "/auth/verify", headers={"Origin": APP, "Content-Type": "x" * 2_000}
    ),
    422: lambda client: client.post("/auth/verify", headers={"Origin": APP}),
    429: lambda client: client.get("/often", headers={"Origin": APP}),
    500: lambda client: client.get("/bug", headers={"Origin": APP}),
    503: lambda client: client.get("/outage", headers={"Origin": APP}),
}


@pytest.mark.parametrize("status", ANSWERS)
def test_every_answer_is_readable(client: TestClient, status: int) -> None:
    answer = ANSWERS[status](client)
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers.get_list("vary") == ["Origin", "Authorization, Cookie"]
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"X-Request-ID", "Retry-After", "WWW-Authenticate"} <= set(exposed)
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("origin", OTHERS)
def test_no_other_origin_may_read(client: TestClient, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    preflight = client.options("/users/me", headers=asked)
    assert preflight.status_code == 400
    answer = client.get("/users/me", headers={"Origin": origin})
    assert answer.status_code == 401
    for one in (preflight, answer):
        assert "access-control-allow-origin" not in one.headers
        # A cache must not give this answer to a listed origin.
        assert "Origin" in one.headers["vary"]


def log_in(client: TestClient, origin: str) -> httpx2.Response:
    form = {"username": "king@camelot.bt", "password": PASSWORD}
    return client.post("/auth/cookie/login", data=form, headers={"Origin": origin})


@pytest.fixture
def person(client: TestClient) -> None:
    body = {"email": "king@camelot.bt", "password": PASSWORD}
    assert client.post("/auth/register", json=body).status_code == 201


@pytest.mark.usefixtures("person")
def test_a_listed_origin_gets_the_cookie_and_changes_with_it(client: TestClient) -> None:
    answer = log_in(client, APP)
    assert answer.status_code == 204
    cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    client.cookies.clear()
    for method, path in (("GET", "/users/me"), ("PATCH", "/users/me"), ("POST", LOGOUT)):
        preflight = {"Origin": APP, "Access-Control-Request-Method": method}
        asked = client.options(path, headers=preflight)
        done = client.request(
            method, path, headers=cookie | {"Origin": APP}, json={} if method == "PATCH" else None
        )
        assert (asked.status_code, done.status_code) == (200, 204 if path == LOGOUT else 200)
        for one in (answer, asked, done):
            assert one.headers["access-control-allow-origin"] == APP
            assert one.headers["access-control-allow-credentials"] == "true"
    assert "set-cookie" in done.headers


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize("origin", OTHERS)
def test_no_other_origin_gets_the_cookie(client: TestClient, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    for path in ("/auth/cookie/login", LOGOUT):
        preflight = client.options(path, headers=asked)
        assert preflight.status_code == 400
        assert "access-control-allow-origin" not in preflight.headers
    answer = log_in(client, origin)
    assert (answer.status_code, answer.json()) == (403, {"detail": "CSRF_FAILED"})
    assert not {"set-cookie", "access-control-allow-origin"} & set(answer.headers)


def test_an_answer_without_an_origin_says_that_it_varies(client: TestClient) -> None:
    for path in ("/users/me", "/static/keystead.css"):
        answer = client.get(path)
        assert "access-control-allow-origin" not in answer.headers
        assert "Origin" in answer.headers["vary"]


def test_a_preflight_request_asks_no_database(tmp_path: Path) -> None:
    """The database is not there at all."""
    environment = make_environment(
        tmp_path,
        database_url="postgresql://u:p@127.0.0.1:1/keystead",
        origins=f"{APP}, http://LOCALHOST:5173",
    )
    with TestClient(create_app(settings_from(environment))) as client:
        for origin, method in product(
            (APP, "http://localhost:5173"), ("GET", "POST", "PATCH", "DELETE")
        ):
            asked = {
                "Origin": origin,
                "Access-Control-Request-Method": method,
                "Access-Control-Request-Headers": "authorization,content-type,traceparent",
            }
            answer = client.options("/users/me", headers=asked)
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == origin
            assert method in answer.headers["access-control-allow-methods"].split(", ")
            assert "authorization" in answer.headers["access-control-allow-headers"]
            assert int(answer.headers["access-control-max-age"]) > 0
            assert "Origin" in answer.headers["vary"]
        ready = client.get("/health/ready", headers={"Origin": APP})
        assert ready.status_code == 503
        assert ready.headers["access-control-allow-origin"] == APP


def test_without_origins_nothing_is_said(settings: Settings) -> None:
    with TestClient(create_app(settings)) as client:
        asked = {"Origin": APP, "Access-Control-Request-Method": "GET"}
        assert client.options("/users/me", headers=asked).status_code == 405
        answer = client.get("/users/me", headers={"Origin": APP})
        assert not {name for name in answer.headers if name.startswith("access-control")}
        assert answer.headers["vary"] == "Authorization, Cookie"


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*",
        "https://*.camelot.bt",
        "camelot.bt",
        "app.camelot.bt:443",
        "https://",
        "https://app.camelot.bt/",
        "https://app.camelot.bt/app",
        "https://app.camelot.bt?x",
        "https://app.camelot.bt#x",
        "https://u:p@app.camelot.bt",
        "https://app.camelot.bt:x",
        "https://app.camelot.bt:99999",
        "https://app camelot.bt",
        "ftp://app.camelot.bt",
        "file://",
        "javascript:alert(1)",
        "https://a.bt https://b.bt",
    ],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValidationError, match=r"origins\.1") as caught:
        Settings(_env_file=None, origins=f"{APP},{origin}")
    message = str(caught.value)
    shown = origin.removeprefix("https://u:p@")
    assert f"{shown}' is no origin" in message
    assert "Separate several with commas" in message
    assert "u:p" not in message


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://App.Camelot.BT:443", "https://app.camelot.bt"),
        ("http://localhost:80", "http://localhost"),
        ("http://127.0.0.1:5173", "http://127.0.0.1:5173"),
        ("http://[::1]:5173", "http://[::1]:5173"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(written: str, sent: str) -> None:
    assert Settings(_env_file=None, origins=f" {written} ,").origins == [sent]
