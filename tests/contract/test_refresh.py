"""`POST /auth/jwt/refresh` and `/auth/token`."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import jwt
import pytest

from tests.contract.test_login import error
from tests.service import PASSWORD, Account, Service, bearer

INVALID = "REFRESH_TOKEN_INVALID"
TABS = 50


def log_in(service: Service, person: Account) -> dict[str, Any]:
    """Return the answer to a log-in."""
    body: dict[str, Any] = service.try_login(person.email, person.password).json()
    return body


def refresh(service: Service, token: str) -> httpx2.Response:
    return service.client.post("/auth/jwt/refresh", json={"refresh_token": token})


def status_of(service: Service, access_token: str) -> int:
    return service.client.get("/users/me", headers=bearer(access_token)).status_code


def test_a_refresh_answers_the_next_pair(service: Service, person: Account) -> None:
    first = log_in(service, person)
    answer = refresh(service, first["refresh_token"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    second = answer.json()
    assert second.keys() == first.keys()
    assert (second["token_type"], second["expires_in"]) == ("bearer", 3_600)
    assert second["refresh_token"] != first["refresh_token"]
    for pair in (first, second):
        assert status_of(service, pair["access_token"]) == 200
    sids = {
        jwt.decode(pair["access_token"], options={"verify_signature": False})["sid"]
        for pair in (first, second)
    }
    assert len(sids) == 1
    assert refresh(service, second["refresh_token"]).status_code == 200


@pytest.mark.parametrize("path", ["/auth/jwt/refresh", "/auth/token"])
def test_a_refresh_by_form(service: Service, person: Account, path: str) -> None:
    form = {"refresh_token": log_in(service, person)["refresh_token"]}
    answer = service.client.post(path, data=form | {"grant_type": "refresh_token"})
    assert answer.status_code == 200
    assert answer.json()["refresh_token"].startswith("kr_")


def test_the_last_token_can_be_repeated(service: Service, person: Account) -> None:
    first = log_in(service, person)["refresh_token"]
    second = refresh(service, first).json()["refresh_token"]
    again = refresh(service, first)
    assert again.status_code == 200
    assert again.json()["refresh_token"] == second
    assert status_of(service, again.json()["access_token"]) == 200


def test_an_older_token_ends_the_session(service: Service, person: Account) -> None:
    """A thief has used the token before its owner, or after."""
    first = log_in(service, person)
    other = log_in(service, person)
    second = refresh(service, first["refresh_token"]).json()
    third = refresh(service, second["refresh_token"]).json()
    answer = refresh(service, first["refresh_token"])
    assert answer.status_code == 401
    assert answer.json()["detail"] == "REFRESH_TOKEN_REUSED"
    assert error(answer) == "invalid_grant"
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_grant"'
    for pair in (first, second, third):
        assert status_of(service, pair["access_token"]) == 401
        assert refresh(service, pair["refresh_token"]).json()["detail"] == INVALID
    assert status_of(service, other["access_token"]) == 200


def test_tabs_that_refresh_at_once_get_one_successor(service: Service, person: Account) -> None:
    token = log_in(service, person)["refresh_token"]
    with ThreadPoolExecutor(TABS) as threads:
        answers = list(threads.map(lambda _: refresh(service, token), range(TABS)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert status_of(service, answers[0].json()["access_token"]) == 200


@pytest.mark.parametrize("end", ["logout", "password", "deactivate", "delete"])
def test_the_token_of_an_ended_session(
    service: Service, person: Account, admin: dict[str, str], end: str
) -> None:
    pair = log_in(service, person)
    path = f"/users/{person.id}"
    if end == "logout":
        service.client.post("/auth/jwt/logout", headers=bearer(pair["access_token"]))
    elif end == "password":
        service.client.patch(path, json={"password": f"{PASSWORD}!"}, headers=admin)
    elif end == "deactivate":
        service.client.patch(path, json={"is_active": False}, headers=admin)
    else:
        service.client.delete(path, headers=admin)
    answer = refresh(service, pair["refresh_token"])
    assert (answer.status_code, answer.json()["detail"]) == (401, INVALID)
    assert error(answer) == "invalid_grant"


def test_log_out_during_refreshes_ends_the_session(service: Service, person: Account) -> None:
    for _ in range(5):
        pair = log_in(service, person)

        def act(number: int, pair: dict[str, Any] = pair) -> httpx2.Response:
            if number == 3:
                headers = bearer(pair["access_token"])
                return service.client.post("/auth/jwt/logout", headers=headers)
            return refresh(service, pair["refresh_token"])

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(act, range(8)))
        assert answers[3].status_code == 204
        assert {answer.status_code for answer in answers} <= {200, 204, 401}
        pairs = [pair, *(answer.json() for answer in answers if answer.status_code == 200)]
        for one in pairs:
            assert status_of(service, one["access_token"]) == 401
            assert refresh(service, one["refresh_token"]).status_code == 401


def changed(token: str, position: int) -> str:
    """Return a token with another byte at `position`."""
    content = bytearray(base64.urlsafe_b64decode(token.removeprefix("kr_") + "=="))
    content[position] ^= 1
    return "kr_" + base64.urlsafe_b64encode(content).decode().rstrip("=")


def test_forged_refresh_tokens(service: Service, person: Account) -> None:
    pair = log_in(service, person)
    token = pair["refresh_token"]
    forged = [changed(token, position) for position in (0, 15, 19, 20, -1)]
    # The last character has bits to spare.
    forged += [token.upper(), token[:-1], token + "A", token[:-1] + chr(ord(token[-1]) + 1)]
    forged += ["", "kr_", "kr_" + "é" * 70, "kr_" + "\0" * 70, "x" * 10_000, pair["access_token"]]
    for each in forged:
        answer = refresh(service, each)
        assert (answer.status_code, answer.json()["detail"]) == (401, INVALID), each
    assert status_of(service, token) == 401
    assert refresh(service, token).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"json": {}}, 422, "invalid_request"),
        ({"json": {"refresh_token": None}}, 422, "invalid_request"),
        ({"json": ["x"]}, 422, "invalid_request"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, None),
        ({}, 422, "invalid_request"),
        ({"data": {"grant_type": "refresh_token"}}, 422, "invalid_request"),
        ({"data": {"refresh_token": "x"}}, 422, "unsupported_grant_type"),
        ({"data": {"refresh_token": "x", "grant_type": "password"}}, 422, "unsupported_grant_type"),
        ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "invalid_request"),
        ({"data": {"grant_type": "refresh_token"}, "files": {"refresh_token": b"x"}}, 422, None),
    ],
    ids=str,
)
def test_incomplete_requests(
    service: Service, body: dict[str, Any], status: int, kind: str | None
) -> None:
    answer = service.client.post("/auth/jwt/refresh", **body)
    assert answer.status_code == status, answer.text
    assert error(answer) == (kind or "invalid_request")


def test_the_token_endpoint_logs_in(service: Service, person: Account) -> None:
    form = {"grant_type": "password", "username": person.email, "password": person.password}
    answer = service.client.post("/auth/token", data=form)
    assert answer.status_code == 200
    assert status_of(service, answer.json()["access_token"]) == 200
    wrong = service.client.post("/auth/token", data=form | {"password": "another one"})
    assert (wrong.status_code, wrong.json()["detail"]) == (400, "LOGIN_BAD_CREDENTIALS")
    assert error(wrong) == "invalid_grant"


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "king@camelot.bt"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
    ],
    ids=str,
)
def test_incomplete_token_requests(service: Service, form: dict[str, str], kind: str) -> None:
    answer = service.client.post("/auth/token", data=form)
    assert answer.status_code == 422
    assert error(answer) == kind


def test_an_address_that_is_not_verified_gets_no_token(strict_service: Service) -> None:
    service = strict_service
    person = service.register()
    service.client.post("/auth/verify", json={"token": service.token(person.email)})
    pair = log_in(service, person)
    moved = {"email": f"new-{person.email}"}
    headers = bearer(pair["access_token"])
    assert service.client.patch("/users/me", json=moved, headers=headers).status_code == 200
    assert refresh(service, pair["refresh_token"]).json()["detail"] == INVALID
    token = service.token(moved["email"])
    assert service.client.post("/auth/verify", json={"token": token}).status_code == 200
    assert refresh(service, pair["refresh_token"]).status_code == 200


def test_an_answer_does_not_repeat_the_token(service: Service, person: Account) -> None:
    """Clients log the answers that they do not understand."""
    token = log_in(service, person)["refresh_token"]
    sent: list[dict[str, Any]] = [
        {"data": {"refresh_token": token}},
        {"data": {"refresh_token": token, "grant_type": "password"}},
        {"json": {"refreshToken": token}},
        {"json": {"refresh_token": [token]}},
        {"json": token},
    ]
    for body in sent:
        answer = service.client.post("/auth/jwt/refresh", **body)
        assert answer.status_code == 422
        assert token not in answer.text
