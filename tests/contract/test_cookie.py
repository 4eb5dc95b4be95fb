"""Sessions in a browser's cookie, and requests that other sites' pages cause."""

import re
from http.cookies import SimpleCookie
from typing import Any

import httpx2
import pytest

from tests.service import PASSWORD, Account, Service

OWN = {"Sec-Fetch-Site": "same-origin"}


def log_in(
    service: Service, person: Account, headers: dict[str, str] | None = None
) -> httpx2.Response:
    form = {"username": person.email, "password": person.password}
    return service.client.post("/auth/cookie/login", data=form, headers=headers or OWN)


def cookie_of(answer: httpx2.Response) -> str:
    """Return the `Cookie` header for the cookie that an answer sets; the client keeps none."""
    return answer.headers["set-cookie"].partition(";")[0]


@pytest.fixture(autouse=True)
def _no_cookies(service: Service) -> Any:
    """Each request names its cookie itself."""
    yield
    service.client.cookies.clear()


@pytest.fixture
def cookie(service: Service, person: Account) -> dict[str, str]:
    """The headers of a browser with a session."""
    found = {"Cookie": cookie_of(log_in(service, person))}
    service.client.cookies.clear()
    return found


def test_a_login_sets_the_cookie(service: Service, person: Account) -> None:
    answer = log_in(service, person)
    assert (answer.status_code, answer.content) == (204, b"")
    [(name, morsel)] = SimpleCookie(answer.headers["set-cookie"]).items()
    assert name == "keystead"
    assert morsel["httponly"]
    assert (morsel["path"], morsel["samesite"]) == ("/", "lax")
    assert (morsel["domain"], morsel["max-age"]) == ("", str(14 * 86_400))
    assert not morsel["secure"]  # the service is on loopback, without TLS


def test_every_route_takes_the_cookie(
    service: Service, person: Account, cookie: dict[str, str]
) -> None:
    answer = service.client.get("/users/me", headers=cookie)
    assert answer.json()["id"] == person.id
    assert answer.headers["cache-control"] == "no-store"
    assert {"authorization", "cookie"} <= set(re.split(", *", answer.headers["vary"].lower()))
    assert service.client.get("/auth/forward", headers=cookie).status_code == 200
    page = service.client.get("/users/me/sessions", headers=cookie).json()
    assert [(one["transport"], one["current"]) for one in page["items"]] == [("cookie", True)]
    change = service.client.patch(
        "/users/me", json={"password": f"{PASSWORD}!"}, headers=cookie | OWN
    )
    assert change.status_code == 200
    assert service.client.get("/users/me", headers=cookie).status_code == 200


def test_log_out(service: Service, cookie: dict[str, str]) -> None:
    answer = service.client.post("/auth/cookie/logout", headers=cookie | OWN)
    assert (answer.status_code, answer.content) == (204, b"")
    [(name, morsel)] = SimpleCookie(answer.headers["set-cookie"]).items()
    assert (name, morsel.value, morsel["max-age"], morsel["path"]) == ("keystead", "", "0", "/")
    assert answer.headers["clear-site-data"] == '"cache"'
    assert service.client.get("/users/me", headers=cookie).status_code == 401
    again = service.client.post("/auth/cookie/logout", headers=cookie | OWN)
    assert again.status_code == 401


def test_a_login_ends_the_session_that_the_browser_had(
    service: Service, person: Account, headers: dict[str, str], cookie: dict[str, str]
) -> None:
    wrong = Account(person.id, person.email, "another password")
    assert log_in(service, wrong, OWN | cookie).status_code == 400
    assert service.client.get("/users/me", headers=cookie).status_code == 200
    answer = log_in(service, service.register(), OWN | cookie)
    assert answer.status_code == 204
    assert service.client.get("/users/me", headers=cookie).status_code == 401
    new = {"Cookie": cookie_of(answer)}
    assert service.client.get("/users/me", headers=new).status_code == 200
    assert service.client.get("/users/me", headers=headers).status_code == 200


def test_refused_logins_set_no_cookie(service: Service, person: Account) -> None:
    wrong = Account(person.id, person.email, "another password")
    answer = log_in(service, wrong)
    assert (answer.status_code, answer.json()["detail"]) == (400, "LOGIN_BAD_CREDENTIALS")
    assert "set-cookie" not in answer.headers
    assert service.client.post("/auth/cookie/login", data={}, headers=OWN).status_code == 422


def test_the_tokens_of_one_transport_are_not_the_others(
    service: Service, headers: dict[str, str], cookie: dict[str, str]
) -> None:
    token = headers["Authorization"].removeprefix("Bearer ")
    assert (
        service.client.get("/users/me", headers={"Cookie": f"keystead={token}"}).status_code == 401
    )
    value = cookie["Cookie"].partition("=")[2]
    as_bearer = {"Authorization": f"Bearer {value}"}
    assert service.client.get("/users/me", headers=as_bearer).status_code == 401


def test_the_header_goes_before_the_cookie(
    service: Service, headers: dict[str, str], cookie: dict[str, str]
) -> None:
    mine = service.client.get("/users/me", headers=headers).json()["id"]
    both = service.client.get("/users/me", headers=headers | cookie)
    assert both.json()["id"] == mine
    bad = service.client.get("/users/me", headers={"Authorization": "Bearer x"} | cookie)
    assert bad.status_code == 401


@pytest.mark.parametrize("value", ["", "x", "é", "x" * 5_000, '"', "a=b; keystead="])
def test_bad_cookies(service: Service, value: str) -> None:
    headers = [(b"Cookie", f"keystead={value}".encode())]
    answer = service.client.get("/users/me", headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})


CROSS = {"Sec-Fetch-Site": "cross-site"}
# Of a page of another site, which a browser sends: none of them can be left out by a script.
CROSS_SITE: list[dict[str, str]] = [
    {},
    {"Referer": "http://127.0.0.1:8080/"},
    {"Origin": "null"},
    {"Origin": "https://evil.bt"},
    {"Origin": "https://evil.bt", "Referer": "http://127.0.0.1:8080/"},
    {"Origin": "https://evil.bt", "Content-Type": "text/plain"},
    {"Origin": "https://evil.bt", "Content-Type": "application/x-www-form-urlencoded"},
    {"Origin": "http://evil.127.0.0.1:8080"},
    {"Origin": "http://127.0.0.1:8080.evil.bt"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "https://127.0.0.1:8080"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://127.0.0.1:8080/"},
    {"Origin": "http://127.0.0.1:8080, https://evil.bt"},
    {"Origin": ""},
    CROSS,
    CROSS | {"Origin": "null"},
    CROSS | {"Origin": "https://evil.bt"},
    CROSS | {"Sec-Fetch-Mode": "navigate", "Origin": "https://evil.bt"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:3000"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-origin, none"},
    {"X-Forwarded-Host": "evil.bt", "Origin": "https://evil.bt"},
]
UNSAFE = [
    ("PATCH", "/users/me"),
    ("DELETE", "/users/me/sessions"),
    ("POST", "/auth/cookie/logout"),
    ("POST", "/auth/jwt/logout"),
]


@pytest.mark.parametrize("sent", CROSS_SITE, ids=str)
def test_another_sites_page_changes_nothing_with_the_cookie(
    service: Service, person: Account, cookie: dict[str, str], sent: dict[str, str]
) -> None:
    for method, path in UNSAFE:
        answer = service.client.request(method, path, headers=cookie | sent, content=b"{}")
        assert (answer.status_code, answer.json()) == (403, {"detail": "CSRF_FAILED"}), path
    answer = log_in(service, person, sent | {"X": "1"})
    if sent.get("Content-Type", "application/x-www-form-urlencoded") != "text/plain":
        assert (answer.status_code, answer.json()["detail"]) == (403, "CSRF_FAILED")
    assert "set-cookie" not in answer.headers
    # Nothing was changed, and reading is free.
    assert service.client.get("/users/me", headers=cookie | sent).status_code == 200
    # An access token is not added by the browser.
    token = service.login(person)
    answer = service.client.request("PATCH", "/users/me", headers=token | cookie | sent, json={})
    assert answer.status_code in (200, 422)


def own_origin(service: Service) -> str:
    server: str = service.client.get("/openapi.json").json()["servers"][0]["url"]
    return server


@pytest.mark.parametrize(
    "sent",
    [
        OWN,
        {"Sec-Fetch-Site": "none"},
        {},
        OWN | {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
def test_the_own_pages_change_what_they_want(
    service: Service, cookie: dict[str, str], sent: dict[str, str]
) -> None:
    if "Sec-Fetch-Site" not in sent or sent["Sec-Fetch-Site"] == "cross-site":
        sent = sent | {"Origin": own_origin(service)}
    answer = service.client.patch("/users/me", json={}, headers=cookie | sent)
    assert answer.status_code == 200


def test_the_method_that_a_proxy_forwards_is_protected_too(
    service: Service, cookie: dict[str, str]
) -> None:
    cross = cookie | CROSS | {"Origin": "https://evil.bt"}
    for name in ("X-Original-Method", "X-Forwarded-Method"):
        answer = service.client.get("/auth/forward", headers=cross | {name: "POST"})
        assert (answer.status_code, answer.json()) == (403, {"detail": "CSRF_FAILED"})
        for sent in (cross | {name: "GET"}, cookie | OWN | {name: "POST"}):
            assert service.client.get("/auth/forward", headers=sent).status_code == 200
