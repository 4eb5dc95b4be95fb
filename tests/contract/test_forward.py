"""`GET /auth/forward`, as proxies ask it."""

import pytest

from tests.service import Account, Service, new_address


def test_the_account_of_a_request(
    service: Service, person: Account, headers: dict[str, str]
) -> None:
    answer = service.client.get("/auth/forward", headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["X-Auth-User-Id"] == person.id
    assert answer.headers["X-Auth-User-Email"] == person.email
    assert answer.headers["X-Auth-Superuser"] == "false"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_superuser(service: Service, admin: dict[str, str]) -> None:
    answer = service.client.get("/auth/forward", headers=admin)
    assert answer.headers["X-Auth-Superuser"] == "true"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("кинг", "%D0%BA%D0%B8%D0%BD%D0%B3"),
        ("king+sword!#$&'*/?^_`{|}~-", "king+sword!#$&'*/?^_`{|}~-"),
        ("50%41", "50%2541"),
    ],
    ids=["beyond ASCII", "punctuation", "percent"],
)
def test_every_address_fits_into_a_header(service: Service, name: str, written: str) -> None:
    address = new_address()
    unique, host = address[:17], address.partition("@")[2]
    headers = service.login(service.register(f"{name}{unique}@{host}"))
    answer = service.client.get("/auth/forward", headers=headers)
    assert answer.headers["X-Auth-User-Email"] == f"{written}{unique}@{host}"


@pytest.mark.parametrize("sent", [{}, {"Authorization": "Bearer x"}])
def test_a_request_without_an_account(service: Service, sent: dict[str, str]) -> None:
    answer = service.client.get("/auth/forward", headers=sent)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert not [name for name in answer.headers if name.lower().startswith("x-auth-")]
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_ended_session(service: Service, headers: dict[str, str]) -> None:
    assert service.client.post("/auth/jwt/logout", headers=headers).status_code == 204
    assert service.client.get("/auth/forward", headers=headers).status_code == 401
