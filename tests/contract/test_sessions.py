"""`/users/me/sessions` and `/users/{id}/sessions`."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.service import Account, Service, bearer

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def log_in(service: Service, person: Account, agent: str = FIREFOX) -> dict[str, str]:
    """Log in with a browser, and return the headers of its requests."""
    form = {"username": person.email, "password": person.password}
    answer = service.client.post("/auth/jwt/login", data=form, headers={"User-Agent": agent})
    return bearer(answer.json()["access_token"])


def sessions(service: Service, headers: dict[str, str], **query: Any) -> dict[str, Any]:
    answer = service.client.get("/users/me/sessions", headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def test_the_own_sessions_newest_first(service: Service, person: Account) -> None:
    first = log_in(service, person, "curl/8.5.0")
    log_in(service, person)
    page = sessions(service, first)
    assert page["next"] is None
    newer, older = page["items"]
    members = {"id", "created_at", "last_seen_at", "expires_at", "ip", "device", "transport"}
    assert newer.keys() == members | {"current"}
    assert (newer["device"], newer["current"]) == ("Firefox on Linux", False)
    assert (older["device"], older["current"]) == ("curl", True)
    assert older["transport"] == "bearer"
    now = datetime.now(UTC)
    for item in page["items"]:
        created, seen, end = (
            datetime.fromisoformat(item[name])
            for name in ("created_at", "last_seen_at", "expires_at")
        )
        assert timedelta(0) <= now - created < timedelta(minutes=1)
        assert abs(seen - created) < timedelta(seconds=10)
        assert end - created == timedelta(days=14)


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        ("x" * 10_000, "x" * 40),
        ("(((((" * 100, "(((((" * 8),
        ("a; " * 1_000 + "a", "a;"),
        ("/", "unknown"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
            "Mobile Safari on iOS",
        ),
        ("KeysteadPhone/3 (Android 14)", "Android"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_devices_by_any_user_agent(
    service: Service, person: Account, agent: str, device: str
) -> None:
    form = {"username": person.email, "password": person.password}
    headers = [(b"User-Agent", agent.encode())]
    answer = service.client.post("/auth/jwt/login", data=form, headers=headers)
    page = sessions(service, bearer(answer.json()["access_token"]))
    assert page["items"][0]["device"] == device


def test_pages(service: Service, person: Account) -> None:
    headers, *_ = (log_in(service, person) for _ in range(5))
    found: list[str] = []
    after: dict[str, str] = {}
    pages = 0
    while True:
        page = sessions(service, headers, limit=2, **after)
        found += [item["id"] for item in page["items"]]
        pages += 1
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert pages == 3
    assert found == [item["id"] for item in sessions(service, headers)["items"]]
    assert len(set(found)) == 5


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"after": "x"}], ids=str)
def test_a_page_that_is_none(
    service: Service, headers: dict[str, str], query: dict[str, Any]
) -> None:
    answer = service.client.get("/users/me/sessions", headers=headers, params=query)
    assert answer.status_code == 422


def test_ending_one(service: Service, person: Account) -> None:
    mine, other = log_in(service, person), log_in(service, person)
    [wanted] = [one["id"] for one in sessions(service, mine)["items"] if not one["current"]]
    path = f"/users/me/sessions/{wanted}"
    assert service.client.delete(path, headers=mine).status_code == 204
    assert service.who_am_i(other) == {401}
    assert service.client.delete(path, headers=mine).status_code == 404
    assert len(sessions(service, mine)["items"]) == 1


def test_ending_this_one(service: Service, person: Account) -> None:
    mine = log_in(service, person)
    [item] = sessions(service, mine)["items"]
    assert (
        service.client.delete(f"/users/me/sessions/{item['id']}", headers=mine).status_code == 204
    )
    assert service.client.get("/users/me", headers=mine).status_code == 401


def test_another_accounts_session_is_not_found(
    service: Service, person: Account, admin: dict[str, str]
) -> None:
    mine, theirs = log_in(service, person), log_in(service, service.register())
    [item] = sessions(service, theirs)["items"]
    for headers in (mine, admin):
        for wanted in (item["id"], uuid4(), "x", "x" * 1_000):
            answer = service.client.delete(f"/users/me/sessions/{wanted}", headers=headers)
            assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
    assert service.client.get("/users/me", headers=theirs).status_code == 200


def test_ending_all_others(service: Service, person: Account) -> None:
    others = [log_in(service, person) for _ in range(3)]
    mine = log_in(service, person)
    assert service.client.delete("/users/me/sessions", headers=mine).status_code == 204
    for other in others:
        assert service.client.get("/users/me", headers=other).status_code == 401
    assert [one["current"] for one in sessions(service, mine)["items"]] == [True]


def test_a_superuser_sees_and_ends_an_accounts_sessions(
    service: Service, person: Account, admin: dict[str, str]
) -> None:
    theirs = [log_in(service, person) for _ in range(2)]
    path = f"/users/{person.id}/sessions"
    page = service.client.get(path, headers=admin, params={"limit": 1}).json()
    assert page["next"] == page["items"][0]["id"]
    assert page["items"][0]["current"] is False
    assert service.client.get(path, headers=theirs[0]).status_code == 403
    assert service.client.delete(path, headers=theirs[0]).status_code == 403
    assert service.client.delete(path, headers=admin).status_code == 204
    assert service.client.get(path, headers=admin).json() == {"items": [], "next": None}
    for headers in theirs:
        assert service.client.get("/users/me", headers=headers).status_code == 401
    for method in ("GET", "DELETE"):
        for wanted in (uuid4(), "x"):
            answer = service.client.request(method, f"/users/{wanted}/sessions", headers=admin)
            assert answer.status_code == 404


def test_without_a_session(service: Service, person: Account) -> None:
    for method, path in [
        ("GET", "/users/me/sessions"),
        ("DELETE", "/users/me/sessions"),
        ("DELETE", f"/users/me/sessions/{uuid4()}"),
        ("GET", f"/users/{person.id}/sessions"),
        ("DELETE", f"/users/{person.id}/sessions"),
    ]:
        assert service.client.request(method, path).status_code == 401
