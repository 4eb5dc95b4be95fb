import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import RUNS
from tests.service import Account, Service, new_address


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_guards_come_first(
    service: Service,
    person: Account,
    headers: dict[str, str],
    admin: dict[str, str],
    method: str,
) -> None:
    """401 before 403 before 404 before 422."""
    kind = {"Content-Type": "application/json"}
    for path in (f"/users/{person.id}", f"/users/{uuid.uuid4()}", "/users/foo", "/users/%00"):
        for body in (b"", b"{"):
            expected = {401: {}, 403: headers, 404: admin}
            if path.endswith(person.id):
                del expected[404]
            for code, login in expected.items():
                answer = service.client.request(method, path, content=body, headers=kind | login)
                assert answer.status_code == code


def test_get(service: Service, person: Account, admin: dict[str, str]) -> None:
    for spelling in (person.id, person.id.replace("-", ""), person.id.upper(), f"{{{person.id}}}"):
        answer = service.client.get(f"/users/{spelling}", headers=admin)
        assert answer.status_code == 200
        assert answer.json() == {
            "id": person.id,
            "email": person.email,
            "is_active": True,
            "is_superuser": False,
            "is_verified": False,
        }


def test_patch(service: Service, person: Account, admin: dict[str, str]) -> None:
    path = f"/users/{person.id}"
    assert service.client.patch(path, json={}, headers=admin).status_code == 200
    moved = new_address()
    changes = {"email": moved, "is_verified": True, "password": "a new password"}
    body = service.client.patch(path, json=changes, headers=admin).json()
    assert (body["email"], body["is_verified"]) == (moved, True)
    assert service.try_login(moved, "a new password").status_code == 200


def test_promote_as_the_original_notes_do(
    service: Service, person: Account, headers: dict[str, str], admin: dict[str, str]
) -> None:
    """The string "true" is taken for true; the body may have no content type."""
    path = f"/users/{person.id}"
    answer = service.client.patch(path, content=b'{"is_superuser":"true"}', headers=admin)
    assert answer.json()["is_superuser"] is True
    assert service.client.get("/users", headers=headers).status_code == 200
    answer = service.client.patch(path, json={"is_superuser": False}, headers=headers)
    assert answer.json()["is_superuser"] is False
    assert service.client.get("/users", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"is_active": None},
        {"is_superuser": None},
        {"is_verified": None},
        {"email": None},
        {"email": "king"},
        {"is_active": "perhaps"},
        [],
        None,
    ],
)
def test_malformed(service: Service, person: Account, admin: dict[str, str], body: Any) -> None:
    answer = service.client.patch(f"/users/{person.id}", json=body, headers=admin)
    assert answer.status_code == 422


def test_refused(service: Service, person: Account, admin: dict[str, str]) -> None:
    path, taken = f"/users/{person.id}", service.register().email
    answer = service.client.patch(path, json={"email": taken.upper()}, headers=admin)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "UPDATE_USER_EMAIL_ALREADY_EXISTS"}
    answer = service.client.patch(path, json={"password": "short"}, headers=admin)
    assert answer.status_code == 400
    assert answer.json()["detail"]["code"] == "UPDATE_USER_INVALID_PASSWORD"


def test_a_new_password_ends_all_sessions(
    service: Service, person: Account, headers: dict[str, str], admin: dict[str, str]
) -> None:
    new = {"password": "a new password"}
    service.client.patch(f"/users/{person.id}", json=new, headers=admin)
    assert service.who_am_i(headers) == {401}


def test_delete(service: Service, person: Account, admin: dict[str, str]) -> None:
    path = f"/users/{person.id}"
    answer = service.client.delete(path, headers=admin)
    assert (answer.status_code, answer.content) == (204, b"")
    assert service.client.delete(path, headers=admin).status_code == 404
    assert service.client.get(path, headers=admin).status_code == 404
    assert service.register(person.email).id != person.id


@pytest.mark.only("sqlite")
def test_the_page_after_a_long_address(service: Service, admin: dict[str, str]) -> None:
    start = uuid4().hex[:8]
    # Each ligature folds to eighteen letters.
    people = [service.register(f"{start}{'ﷺ' * 9}{n}@{'x' * 60}.{'y' * 60}.bt") for n in range(2)]
    query: dict[str, str | int] = {"q": start, "limit": 1}
    first = service.client.get("/users", params=query, headers=admin).json()
    after = service.client.get("/users", params={**query, "after": first["next"]}, headers=admin)
    assert after.status_code == 200, after.text
    found = [item["id"] for item in (*first["items"], *after.json()["items"])]
    assert found == [person.id for person in people]


def test_list_in_pages(service: Service, admin: dict[str, str]) -> None:
    prefix = f"page-{uuid.uuid4().hex}-"
    made = sorted(service.register(f"{prefix}{n}@camelot.bt").email for n in range(7))
    found: list[str] = []
    after = None
    for _ in range(4):
        query: dict[str, Any] = {"limit": 2, "q": prefix.upper()}
        query |= {"after": after} if after else {}
        answer = service.client.get("/users", params=query, headers=admin)
        assert answer.status_code == 200
        assert set(answer.json()) == {"items", "next"}
        found += [user["email"] for user in answer.json()["items"]]
        after = answer.json()["next"]
    assert found == made
    assert after is None


def test_list_all(service: Service, person: Account, admin: dict[str, str]) -> None:
    found: dict[str, dict[str, Any]] = {}
    after = None
    while True:
        query: dict[str, Any] = {"limit": 100} | ({"after": after} if after else {})
        page = service.client.get("/users", params=query, headers=admin).json()
        found |= {user["id"]: user for user in page["items"]}
        after = page["next"]
        if after is None:
            break
    assert found[person.id]["email"] == person.email
    assert set(found[person.id]) == {"id", "email", "is_active", "is_superuser", "is_verified"}


def test_list_takes_percent_and_underscore_literally(
    service: Service, admin: dict[str, str]
) -> None:
    service.register()
    for q in ("%", "_", "k%", "\U0010ffff"):
        page = service.client.get("/users", params={"q": q}, headers=admin).json()
        assert page["items"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"after": "é"},
        {"after": "!"},
        {"after": "____"},
        {"after": "AA"},
        {"q": "\0"},
        {"q": "x" * 501},
    ],
)
def test_list_malformed(service: Service, admin: dict[str, str], query: dict[str, str]) -> None:
    answer = service.client.get("/users", params=query, headers=admin)
    assert answer.status_code == 422
    assert service.client.get("/users", params=query).status_code == 401


def test_list_is_for_superusers(service: Service, headers: dict[str, str]) -> None:
    assert service.client.get("/users").status_code == 401
    assert service.client.get("/users", headers=headers).status_code == 403


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("PATCH", {"json": {"is_superuser": False}}),
    ("PATCH", {"json": {"is_active": False}}),
    ("DELETE", {}),
]


@pytest.fixture(scope="session", params=["tcp"])
def court(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A Keystead of its own with one superuser, and their session.

    Its two workers share nothing but the database, which is all that keeps the last superuser.
    """
    with RUNS[request.param](tmp_path_factory.mktemp("court")) as running:
        yield running, [running.login(running.superuser())]


@pytest.fixture
def pair(court: Any) -> Any:
    """The service, its only two superusers, and their sessions."""
    service, crown = court
    pair = [service.register() for _ in range(2)]
    logins = [service.login(one) for one in pair]
    for one in pair:
        promoted = {"is_superuser": True}
        service.client.patch(f"/users/{one.id}", json=promoted, headers=crown[0])
    king = service.client.get("/users/me", headers=crown[0]).json()["id"]
    service.client.patch(f"/users/{king}", json={"is_superuser": False}, headers=logins[0])
    yield service, pair, logins
    crown[0] = next(
        login for login in logins if service.client.get("/users", headers=login).status_code == 200
    )


@pytest.mark.parametrize(("method", "change"), CHANGES)
def test_the_last_superuser_stays(pair: Any, method: str, change: dict[str, Any]) -> None:
    service, (first, second), logins = pair
    gone = service.client.request(method, f"/users/{second.id}", headers=logins[0], **change)
    assert gone.status_code in (200, 204)
    answer = service.client.request(method, f"/users/{first.id}", headers=logins[0], **change)
    assert answer.status_code == 409
    assert answer.json() == {"detail": "LAST_SUPERUSER"}
    assert service.client.get("/users", headers=logins[0]).status_code == 200


@pytest.mark.parametrize(("method", "change"), CHANGES * 5)
def test_two_superusers_cannot_remove_each_other(
    pair: Any, method: str, change: dict[str, Any]
) -> None:
    service, both, logins = pair
    attacks = [(both[1], logins[0]), (both[0], logins[1])]

    def strike(attack: tuple[Account, dict[str, str]]) -> int:
        target, headers = attack
        path = f"/users/{target.id}"
        code: int = service.client.request(method, path, headers=headers, **change).status_code
        return code

    with ThreadPoolExecutor(2) as threads:
        codes = sorted(threads.map(strike, attacks))
    # The slower one is refused, or its session has ended.
    assert codes[0] in (200, 204)
    assert codes[1] in (401, 403, 409)
    left = [service.client.get("/users", headers=headers).status_code for headers in logins]
    assert left.count(200) == 1


def test_the_last_superuser_stays_verified_where_that_is_required(strict_service: Service) -> None:
    crown = strict_service.superuser()
    headers = strict_service.login(crown)
    unverified = strict_service.register()
    promoted = {"is_superuser": True}
    strict_service.client.patch(f"/users/{unverified.id}", json=promoted, headers=headers)
    change = {"is_verified": False}
    answer = strict_service.client.patch(f"/users/{crown.id}", json=change, headers=headers)
    assert answer.status_code == 409
    assert strict_service.client.get("/users", headers=headers).status_code == 200
