from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.databases import in_database
from tests.service import PASSWORD, Account, Service, new_address

NEW = "a new password"


def patch(service: Service, headers: dict[str, str] | None, body: Any) -> Any:
    return service.client.patch("/users/me", json=body, headers=headers)


def test_get(service: Service, person: Account, headers: dict[str, str]) -> None:
    answer = service.client.get("/users/me", headers=headers)
    assert answer.status_code == 200
    assert answer.json() == {
        "id": person.id,
        "email": person.email,
        "is_active": True,
        "is_superuser": False,
        "is_verified": False,
    }


def test_without_a_session(service: Service) -> None:
    assert service.client.get("/users/me").status_code == 401
    bodies: list[Any] = [{}, {"email": "no"}, [], None]
    for body in bodies:
        assert patch(service, None, body).status_code == 401


def test_an_account_deactivated_in_the_database_is_refused(
    service: Service, person: Account, headers: dict[str, str]
) -> None:
    """The sessions still exist: the operator changed only the database."""
    deactivate = "UPDATE user_account SET is_active = false WHERE email = :email"
    in_database(service.folder, deactivate, email=person.email)
    assert service.client.get("/users/me", headers=headers).status_code == 401
    assert patch(service, headers, {"password": NEW}).status_code == 401


def test_a_malformed_body_is_refused_after_the_guard(
    service: Service, headers: dict[str, str]
) -> None:
    kind = {"Content-Type": "application/json"}
    answer = service.client.patch("/users/me", content=b'{"email": ', headers=kind)
    assert answer.status_code == 401
    answer = service.client.patch("/users/me", content=b'{"email": ', headers=kind | headers)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["type"] == "json_invalid"


def test_nothing_to_change(service: Service, person: Account, headers: dict[str, str]) -> None:
    answer = patch(service, headers, {})
    assert answer.status_code == 200
    assert answer.json()["email"] == person.email


def test_flags_are_ignored(service: Service, headers: dict[str, str]) -> None:
    flags = {"is_superuser": True, "is_active": False, "is_verified": True}
    for sent in (flags, dict.fromkeys(flags), dict.fromkeys(flags, "no flag")):
        body = patch(service, headers, sent).json()
        assert [body[flag] for flag in flags] == [False, True, False]
    assert service.client.get("/users/me", headers=headers).status_code == 200


def test_a_new_address_must_be_verified(
    service: Service, person: Account, headers: dict[str, str]
) -> None:
    service.client.post("/auth/verify", json={"token": service.token(person.email)})
    moved = new_address()
    answer = patch(service, headers, {"email": moved})
    assert answer.status_code == 200
    assert (answer.json()["email"], answer.json()["is_verified"]) == (moved, False)
    assert service.try_login(person.email, person.password).status_code == 400
    assert service.try_login(moved, person.password).status_code == 200
    token = service.token(moved)
    assert service.client.post("/auth/verify", json={"token": token}).json()["is_verified"]


def test_the_own_address_in_other_letters(
    service: Service, person: Account, headers: dict[str, str]
) -> None:
    service.client.post("/auth/verify", json={"token": service.token(person.email)})
    answer = patch(service, headers, {"email": person.email.title()})
    assert answer.status_code == 200
    assert answer.json()["is_verified"] is True
    assert answer.json()["email"].lower() == person.email


def test_a_look_alike_of_the_own_address_must_be_verified(service: Service) -> None:
    person = service.register(f"fi{new_address()}")
    headers = service.login(person)
    service.client.post("/auth/verify", json={"token": service.token(person.email)})
    answer = patch(service, headers, {"email": person.email.replace("fi", "ﬁ", 1)})
    assert answer.status_code == 200
    assert answer.json()["is_verified"] is False


def test_a_taken_address(service: Service, headers: dict[str, str]) -> None:
    taken = service.register().email
    for spelling in (taken, taken.upper()):
        answer = patch(service, headers, {"email": spelling})
        assert answer.status_code == 400
        assert answer.json() == {"detail": "UPDATE_USER_EMAIL_ALREADY_EXISTS"}


def test_one_of_many_gets_the_same_address(service: Service) -> None:
    logins = [service.login(service.register()) for _ in range(8)]
    wanted = new_address()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda h: patch(service, h, {"email": wanted}), logins))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7


@pytest.mark.parametrize("body", [{"email": None}, {"email": "king"}, {"password": 1}, [], "x"])
def test_malformed(service: Service, headers: dict[str, str], body: Any) -> None:
    assert patch(service, headers, body).status_code == 422


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_bad_password(
    service: Service, person: Account, headers: dict[str, str], password: str
) -> None:
    body = {"password": password, "email": new_address()}
    answer = patch(service, headers, body)
    assert answer.status_code == 400
    assert answer.json()["detail"]["code"] == "UPDATE_USER_INVALID_PASSWORD"
    assert answer.json()["detail"]["reason"]
    assert service.client.get("/users/me", headers=headers).json()["email"] == person.email


def test_a_new_password_ends_the_other_sessions(
    service: Service, person: Account, headers: dict[str, str]
) -> None:
    others = [service.login(person) for _ in range(2)]
    assert patch(service, headers, {"password": NEW}).status_code == 200
    for other in others:
        assert service.who_am_i(other) == {401}
    assert service.client.get("/users/me", headers=headers).status_code == 200
    assert service.try_login(person.email, PASSWORD).status_code == 400
    assert service.try_login(person.email, NEW).status_code == 200


def test_a_null_password_means_no_change(
    service: Service, person: Account, headers: dict[str, str]
) -> None:
    other = service.login(person)
    assert patch(service, headers, {"password": None}).status_code == 200
    assert service.client.get("/users/me", headers=other).status_code == 200
    assert service.try_login(person.email, person.password).status_code == 200


def test_a_revoked_session_changes_nothing(
    service: Service, person: Account, admin: dict[str, str]
) -> None:
    """A thief's change of password races the owner's reset: exactly one of them wins."""
    thief = service.login(person)
    with ThreadPoolExecutor(2) as threads:
        change = threads.submit(patch, service, thief, {"password": "the thief's"})
        rescue = threads.submit(
            service.client.patch,
            f"/users/{person.id}",
            json={"password": "the owner's"},
            headers=admin,
        )
    assert rescue.result().status_code == 200
    if change.result().status_code == 401:
        assert service.try_login(person.email, "the owner's").status_code == 200
    assert service.try_login(person.email, "the thief's").status_code == 400
