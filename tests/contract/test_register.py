import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.service import PASSWORD, Service, new_address


def test_answers_the_user_body_and_nothing_more(service: Service) -> None:
    address = new_address()
    answer = service.client.post("/auth/register", json={"email": address, "password": PASSWORD})
    assert answer.status_code == 201
    body = answer.json()
    assert body == {
        "id": body["id"],
        "email": address,
        "is_active": True,
        "is_superuser": False,
        "is_verified": False,
    }


def test_ignores_flags_and_unknown_fields(service: Service) -> None:
    sent = {"email": new_address(), "password": PASSWORD, "id": "1", "role": "king"}
    flags = {"is_superuser": True, "is_active": False, "is_verified": True}
    for given in (flags, dict.fromkeys(flags), dict.fromkeys(flags, "no flag")):
        sent["email"] = new_address()
        body = service.client.post("/auth/register", json=sent | given).json()
        assert [body[flag] for flag in flags] == [False, True, False]
        assert "role" not in body
        assert body["id"] != "1"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "lancelot@camelot.bt"},
        {"password": PASSWORD},
        {"email": None, "password": PASSWORD},
        {"email": "lancelot@camelot.bt", "password": None},
        {"email": "lancelot@camelot.bt", "password": 12345678},
        {"email": "lancelot", "password": PASSWORD},
        {"email": "King <king@camelot.bt>", "password": PASSWORD},
        {"email": "", "password": PASSWORD},
        {"email": "a\0b@camelot.bt", "password": PASSWORD},
        {"email": "x" * 65 + "@camelot.bt", "password": PASSWORD},
        {"email": "x@" + "camelot." * 60 + "bt", "password": PASSWORD},
        {"email": ["lancelot@camelot.bt"], "password": PASSWORD},
        [],
        "text",
        None,
    ],
)
def test_malformed(service: Service, body: Any) -> None:
    answer = service.client.post("/auth/register", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"]
    for problem in answer.json()["detail"]:
        assert set(problem) == {"type", "loc", "msg", "input"}


def test_the_message_for_an_invalid_address_can_be_shown_to_a_person(service: Service) -> None:
    answer = service.client.post("/auth/register", json={"email": "king", "password": PASSWORD})
    (problem,) = answer.json()["detail"]
    assert problem["msg"].startswith("not an e-mail address: ")


def test_a_form_is_not_json(service: Service) -> None:
    form = {"email": new_address(), "password": PASSWORD}
    assert service.client.post("/auth/register", data=form).status_code == 422


def test_json_without_a_content_type(service: Service) -> None:
    body = json.dumps({"email": new_address(), "password": PASSWORD}).encode()
    assert service.client.post("/auth/register", content=body).status_code == 201


@pytest.mark.parametrize("change", [str, str.upper, str.title])
def test_known_address_in_any_case(service: Service, change: Any) -> None:
    address = service.register().email
    body = {"email": change(address), "password": PASSWORD}
    answer = service.client.post("/auth/register", json=body)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "REGISTER_USER_ALREADY_EXISTS"}


def test_accents_fold_and_blanks_go(service: Service) -> None:
    address = new_address()
    first = {"email": f"É{address}", "password": PASSWORD}
    second = {"email": f"  é{address} ", "password": PASSWORD}
    assert service.client.post("/auth/register", json=first).status_code == 201
    answer = service.client.post("/auth/register", json=second)
    assert answer.json() == {"detail": "REGISTER_USER_ALREADY_EXISTS"}
    other = {"email": f"e{address}", "password": PASSWORD}
    assert service.client.post("/auth/register", json=other).status_code == 201


@pytest.mark.parametrize("password", ["", "short", "é" * 513, "x" * 1025])
def test_bad_password(service: Service, password: str) -> None:
    body = {"email": new_address(), "password": password}
    answer = service.client.post("/auth/register", json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"]["code"] == "REGISTER_INVALID_PASSWORD"
    assert answer.json()["detail"]["reason"]


def test_the_password_is_judged_before_the_address(service: Service) -> None:
    body = {"email": service.register().email, "password": "short"}
    answer = service.client.post("/auth/register", json=body)
    assert answer.json()["detail"]["code"] == "REGISTER_INVALID_PASSWORD"


def test_longest_password_works(service: Service) -> None:
    person = service.register(password="é" * 512)
    assert service.try_login(person.email, person.password).status_code == 200


def test_only_the_domain_is_lower_cased(service: Service) -> None:
    name, _, _ = new_address().partition("@")
    body = {"email": f"{name.upper()}@CAMELOT.bt", "password": PASSWORD}
    answer = service.client.post("/auth/register", json=body)
    assert answer.json()["email"] == f"{name.upper()}@camelot.bt"


def test_the_name_in_the_original_notes(service: Service) -> None:
    body = {"email": new_address(), "password": PASSWORD}
    answer = service.client.post("/auth/registration", json=body)
    assert answer.status_code == 308
    assert answer.headers["location"] == "/auth/register"
    followed = service.client.post("/auth/registration", json=body, follow_redirects=True)
    assert followed.status_code == 201


@pytest.mark.parametrize(
    "change", [lambda address, n: address, lambda address, n: mixed(address, n)]
)
def test_fifty_at_once_make_one_account(service: Service, change: Any) -> None:
    address = new_address()

    def register(n: int) -> tuple[int, Any]:
        body = {"email": change(address, n), "password": PASSWORD}
        answer = service.client.post("/auth/register", json=body)
        return answer.status_code, answer.json().get("detail")

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(register, range(50)))
    assert sorted(answers, key=str) == [(201, None)] + [(400, "REGISTER_USER_ALREADY_EXISTS")] * 49


def mixed(address: str, n: int) -> str:
    """Spell `address` in the n-th of many ways."""
    name, _, domain = address.partition("@")
    letters = [c.upper() if n >> (i % 6) & 1 else c for i, c in enumerate(name)]
    return "".join(letters) + "@" + domain
