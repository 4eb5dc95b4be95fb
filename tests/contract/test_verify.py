from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.service import Account, Service, new_address, text_of


def verify(service: Service, token: str) -> Any:
    return service.client.post("/auth/verify", json={"token": token})


def test_registering_sends_the_letter(service: Service, person: Account) -> None:
    letter = service.letter(person.email)
    assert letter["Subject"] == "Confirm your e-mail address"
    assert letter["Auto-Submitted"] == "auto-generated"
    token = next(line for line in text_of(letter).splitlines() if line.startswith("eyJ"))
    assert f"/verify?token={token}" in text_of(letter)
    html = letter.get_body(("html",))
    assert html is not None
    assert token in html.as_string()


def test_verify(service: Service, person: Account) -> None:
    token = service.token(person.email)
    answer = verify(service, token)
    assert answer.status_code == 200
    assert answer.json() == {
        "id": person.id,
        "email": person.email,
        "is_active": True,
        "is_superuser": False,
        "is_verified": True,
    }
    again = verify(service, token)
    assert again.status_code == 400
    assert again.json() == {"detail": "VERIFY_USER_ALREADY_VERIFIED"}


def test_request_sends_another(service: Service, person: Account) -> None:
    service.letter(person.email)
    body = {"email": person.email.upper()}
    answer = service.client.post("/auth/request-verify-token", json=body)
    assert (answer.status_code, answer.json()) == (202, None)
    assert verify(service, service.token(person.email)).status_code == 200


def test_request_sends_nothing_to_the_verified_the_inactive_and_the_unknown(
    service: Service, person: Account, admin: dict[str, str]
) -> None:
    verify(service, service.token(person.email))
    inactive, unknown, later = service.register(), f"no-{person.email}", service.register()
    service.letter(inactive.email)
    service.client.patch(f"/users/{inactive.id}", json={"is_active": False}, headers=admin)
    service.letter(later.email)
    for address in (person.email, inactive.email, unknown, later.email):
        answer = service.client.post("/auth/request-verify-token", json={"email": address})
        assert (answer.status_code, answer.json()) == (202, None)
    service.letter(later.email)
    assert len(service.letters(person.email)) == 1
    assert len(service.letters(inactive.email)) == 1
    assert service.letters(unknown) == []


@pytest.mark.parametrize("body", [{}, {"email": None}, {"email": "king"}, {"email": 1}])
def test_request_malformed(service: Service, body: Any) -> None:
    assert service.client.post("/auth/request-verify-token", json=body).status_code == 422


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "\0"])
def test_bad_token(service: Service, token: str) -> None:
    answer = verify(service, token)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "VERIFY_USER_BAD_TOKEN"}


def test_an_access_token_verifies_no_address(service: Service, headers: dict[str, str]) -> None:
    token = headers["Authorization"].removeprefix("Bearer ")
    assert verify(service, token).json() == {"detail": "VERIFY_USER_BAD_TOKEN"}


def test_a_token_from_before_the_address_changed(
    service: Service, person: Account, headers: dict[str, str]
) -> None:
    token = service.token(person.email)
    moved = f"new-{person.email}"
    service.client.patch("/users/me", json={"email": moved}, headers=headers)
    assert verify(service, token).json() == {"detail": "VERIFY_USER_BAD_TOKEN"}
    assert verify(service, service.token(moved)).status_code == 200


def test_a_token_of_a_deleted_account(
    service: Service, person: Account, admin: dict[str, str]
) -> None:
    token = service.token(person.email)
    service.client.delete(f"/users/{person.id}", headers=admin)
    assert verify(service, token).json() == {"detail": "VERIFY_USER_BAD_TOKEN"}


def test_many_at_once(service: Service, person: Account) -> None:
    token = service.token(person.email)
    with ThreadPoolExecutor(8) as threads:
        codes = list(threads.map(lambda _: verify(service, token).status_code, range(8)))
    assert sorted(codes) == [200] + [400] * 7


def test_malformed(service: Service) -> None:
    bodies: list[Any] = [{}, {"token": None}, {"token": 1}, []]
    for body in bodies:
        assert service.client.post("/auth/verify", json=body).status_code == 422


def test_a_token_for_a_look_alike_verifies_nothing(service: Service) -> None:
    """Another domain with the same key: the old mailbox must not verify the new address."""
    name = new_address().partition("@")[0]
    person = service.register(f"{name}@strasse.de")
    headers = service.login(person)
    token = service.token(person.email)
    moved = {"email": f"{name}@straße.de"}
    assert service.client.patch("/users/me", json=moved, headers=headers).status_code == 200
    assert verify(service, token).json() == {"detail": "VERIFY_USER_BAD_TOKEN"}
