from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.service import Account, Service, token_in

NEW = "a new password"


def forgot(service: Service, address: str) -> str:
    answer = service.client.post("/auth/forgot-password", json={"email": address})
    assert answer.status_code == 202
    while "/reset-password?" not in (letter := service.letter(address)).as_string():
        pass  # the verification mail
    return token_in(letter)


def reset(service: Service, token: str, password: str = NEW) -> Any:
    body = {"token": token, "password": password}
    return service.client.post("/auth/reset-password", json=body)


def test_forgot_answers_the_same_for_every_address(
    service: Service, person: Account, admin: dict[str, str]
) -> None:
    inactive = service.register()
    service.client.patch(f"/users/{inactive.id}", json={"is_active": False}, headers=admin)
    for address in (person.email, "nobody@camelot.bt", inactive.email):
        answer = service.client.post("/auth/forgot-password", json={"email": address})
        assert (answer.status_code, answer.json()) == (202, None)


@pytest.mark.parametrize(
    "body", [{}, {"email": None}, {"email": "king"}, {"email": "King <king@camelot.bt>"}, []]
)
def test_forgot_malformed(service: Service, body: Any) -> None:
    assert service.client.post("/auth/forgot-password", json=body).status_code == 422


def test_reset(service: Service, person: Account) -> None:
    logins = [service.login(person) for _ in range(2)]
    token = forgot(service, person.email)
    answer = reset(service, token)
    assert (answer.status_code, answer.json()) == (200, None)
    for headers in logins:
        assert service.who_am_i(headers) == {401}
    assert service.try_login(person.email, person.password).status_code == 400
    assert service.try_login(person.email, NEW).status_code == 200


def test_a_token_works_once(service: Service, person: Account) -> None:
    token = forgot(service, person.email)
    assert reset(service, token).status_code == 200
    again = reset(service, token, "yet another one")
    assert again.status_code == 400
    assert again.json() == {"detail": "RESET_PASSWORD_BAD_TOKEN"}


def test_a_token_works_once_under_a_race(service: Service, person: Account) -> None:
    token = forgot(service, person.email)
    passwords = [f"password number {n}" for n in range(10)]
    with ThreadPoolExecutor(10) as threads:
        codes = list(threads.map(lambda p: reset(service, token, p).status_code, passwords))
    assert sorted(codes) == [200] + [400] * 9
    winner = passwords[codes.index(200)]
    assert service.try_login(person.email, winner).status_code == 200


def test_a_bad_password_spends_no_token(service: Service, person: Account) -> None:
    token = forgot(service, person.email)
    for bad in ("", "short", "x" * 1025):
        answer = reset(service, token, bad)
        assert answer.status_code == 400
        assert answer.json()["detail"]["code"] == "RESET_PASSWORD_INVALID_PASSWORD"
    assert reset(service, token).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "\0"])
def test_bad_token(service: Service, token: str) -> None:
    answer = reset(service, token)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "RESET_PASSWORD_BAD_TOKEN"}


def test_a_token_for_something_else(service: Service, person: Account) -> None:
    verify = service.token(person.email)
    access = service.login(person)["Authorization"].removeprefix("Bearer ")
    for token in (verify, access):
        assert reset(service, token).json() == {"detail": "RESET_PASSWORD_BAD_TOKEN"}


def test_a_token_of_an_inactive_account(
    service: Service, person: Account, admin: dict[str, str]
) -> None:
    token = forgot(service, person.email)
    service.client.patch(f"/users/{person.id}", json={"is_active": False}, headers=admin)
    assert reset(service, token).json() == {"detail": "RESET_PASSWORD_BAD_TOKEN"}


def test_a_token_from_before_an_address_changed(
    service: Service, person: Account, headers: dict[str, str]
) -> None:
    token = forgot(service, person.email)
    service.client.patch("/users/me", json={"email": f"new-{person.email}"}, headers=headers)
    assert reset(service, token).json() == {"detail": "RESET_PASSWORD_BAD_TOKEN"}


@pytest.mark.parametrize(
    "body", [{}, {"token": "x"}, {"password": NEW}, {"token": None, "password": NEW}]
)
def test_reset_malformed(service: Service, body: Any) -> None:
    assert service.client.post("/auth/reset-password", json=body).status_code == 422


def test_unknown_and_inactive_addresses_get_no_mail(
    service: Service, person: Account, admin: dict[str, str]
) -> None:
    service.letter(person.email)
    service.client.patch(f"/users/{person.id}", json={"is_active": False}, headers=admin)
    unknown = f"nobody-{person.email}"
    later = service.register()
    for address in (person.email, unknown, later.email):
        service.client.post("/auth/forgot-password", json={"email": address})
    while "/reset-password?" not in service.letter(later.email).as_string():
        pass
    assert len(service.letters(person.email)) == 1
    assert service.letters(unknown) == []
