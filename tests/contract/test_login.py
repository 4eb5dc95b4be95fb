import base64
import json
import re
from typing import Any

import httpx2
import jwt
import pytest

from app.crypto.access_tokens import signing_keys
from tests.service import PASSWORD, SECRET, Account, Service, bearer


def test_good_credentials(service: Service, person: Account) -> None:
    answer = service.try_login(person.email, person.password)
    assert answer.status_code == 200
    body = answer.json()
    members = {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"}
    assert set(body) == members
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 3_600
    assert body["refresh_token"].startswith("kr_")
    assert body["refresh_expires_in"] == 14 * 86_400
    # RFC 6749, section 5.1.
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"


@pytest.mark.parametrize("change", [str.upper, str.title, "  {} ".format])
def test_the_address_in_any_case_or_with_blanks(
    service: Service, person: Account, change: Any
) -> None:
    assert service.try_login(change(person.email), person.password).status_code == 200


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"username": "king@camelot.bt"},
        {"password": PASSWORD},
        {"username": "", "password": ""},
        {"username": "king@camelot.bt", "password": PASSWORD, "grant_type": "client_credentials"},
    ],
)
def test_incomplete_form(service: Service, form: dict[str, str]) -> None:
    answer = service.client.post("/auth/jwt/login", data=form)
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], list)
    wrong_grant = "grant_type" in form
    assert error(answer) == ("unsupported_grant_type" if wrong_grant else "invalid_request")


def error(answer: httpx2.Response) -> str:
    """Return the error by RFC 6749, section 5.2, which allows its description ASCII only."""
    body = answer.json()
    assert body.keys() == {"detail", "error", "error_description"}
    assert re.fullmatch(r"[ !#-\[\]-~]+", body["error_description"])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    said: str = body["error"]
    return said


def test_every_error_is_one_of_a_token_endpoint(service: Service) -> None:
    """OAuth libraries take an answer without `error` for a token."""
    path, form = "/auth/jwt/login", {"Content-Type": "application/x-www-form-urlencoded"}
    post = service.client.post
    answers = {
        405: service.client.get(path),
        413: post(path, content=b"password=" + b"x" * 70_000, headers=form),
        415: post(path, headers={"Content-Type": "x" * 2_000}),
        422: post(path, content=b"username=x", headers=form),
    }
    no_form = post(path, json={})
    for status, answer in (*answers.items(), (415, no_form)):
        assert answer.status_code == status
        assert error(answer) == "invalid_request", status
    assert post("/auth/register", json={}).json().keys() == {"detail"}


def test_json_is_not_a_form(service: Service, person: Account) -> None:
    body = {"username": person.email, "password": person.password}
    answer = service.client.post("/auth/jwt/login", json=body)
    assert answer.status_code == 415
    assert answer.headers["accept"] == "application/x-www-form-urlencoded, multipart/form-data"
    assert "application/x-www-form-urlencoded" in answer.json()["detail"]["reason"]


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("nobody@camelot.bt", PASSWORD),
        ("no address at all", PASSWORD),
        ("a\0b", PASSWORD),
        (None, "another password"),
        (None, "x" * 2_000),
        (None, "excalibur\0001"),
    ],
)
def test_bad_credentials(
    service: Service, person: Account, username: str | None, password: str
) -> None:
    answer = service.try_login(username or person.email, password)
    assert answer.status_code == 400
    assert answer.json()["detail"] == "LOGIN_BAD_CREDENTIALS"
    assert error(answer) == "invalid_grant"


def test_inactive(service: Service, person: Account, admin: dict[str, str]) -> None:
    service.client.patch(f"/users/{person.id}", json={"is_active": False}, headers=admin)
    answer = service.try_login(person.email, person.password)
    assert answer.status_code == 400
    assert answer.json()["detail"] == "LOGIN_BAD_CREDENTIALS"
    assert error(answer) == "invalid_grant"


def test_where_verification_is_required(strict_service: Service) -> None:
    person = strict_service.register()
    answer = strict_service.try_login(person.email, person.password)
    assert answer.status_code == 400
    assert answer.json()["detail"] == "LOGIN_USER_NOT_VERIFIED"
    assert error(answer) == "invalid_grant"
    token = strict_service.token(person.email)
    assert strict_service.client.post("/auth/verify", json={"token": token}).status_code == 200
    headers = strict_service.login(person)
    # A new address must be verified before the next log-in.
    moved = {"email": f"new-{person.email}"}
    assert strict_service.client.patch("/users/me", json=moved, headers=headers).status_code == 200
    assert strict_service.client.get("/users/me", headers=headers).status_code == 403


def test_logout(service: Service, person: Account) -> None:
    first, second = service.login(person), service.login(person)
    answer = service.client.post("/auth/jwt/logout", headers=first)
    assert answer.status_code == 204
    assert answer.content == b""
    assert service.who_am_i(first) == {401}
    assert service.client.post("/auth/jwt/logout", headers=first).status_code == 401
    assert service.client.get("/users/me", headers=second).status_code == 200


def test_logout_without_a_token(service: Service) -> None:
    assert service.client.post("/auth/jwt/logout").status_code == 401


KEY = signing_keys([], [SECRET])[0]


def forged(token: str, *, headers: dict[str, str] | None = None, **changes: Any) -> str:
    """Return a token like `token` with other claims, of which None removes one."""
    claims = jwt.decode(token, options={"verify_signature": False}) | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    header = jwt.get_unverified_header(token) | (headers or {})
    algorithm = header.pop("alg")
    keys: dict[str, Any] = {
        "EdDSA": KEY.private,
        "none": "",
        # The public key, which everybody knows, as a secret.
        "HS256": base64.urlsafe_b64decode(KEY.jwk["x"] + "="),
    }
    return jwt.encode(kept, keys[algorithm], algorithm=algorithm, headers=header)


PAST = 1_600_000_000  # seconds
CLAIMS = ("iss", "sub", "aud", "exp", "iat", "jti", "sid")


@pytest.mark.parametrize(
    "change",
    [
        *({claim: None} for claim in CLAIMS),
        {"exp": PAST},
        {"aud": "fastapi-users:auth"},
        {"aud": "verify"},
        {"iss": "https://id.camelot.bt"},
        {"sid": "00000000-0000-7000-8000-000000000000"},
        {"headers": {"alg": "none"}},
        {"headers": {"alg": "HS256"}},
        {"headers": {"typ": "JWT"}},
        {"headers": {"kid": "another"}},
    ],
    ids=str,
)
def test_forged_tokens(service: Service, headers: dict[str, str], change: dict[str, Any]) -> None:
    token = headers["Authorization"].removeprefix("Bearer ")
    assert service.client.get("/users/me", headers=bearer(forged(token))).status_code == 200
    answer = service.client.get("/users/me", headers=bearer(forged(token, **change)))
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"exp": PAST}, 401),
        ({"aud": "verify"}, 401),
        ({"jti": "00000000-0000-7000-8000-000000000000"}, 401),
        ({"key": "another secret, as long as the real one is, or longer"}, 401),
    ],
    ids=str,
)
def test_tokens_of_releases_before_0009_work_until_they_expire(
    service: Service, headers: dict[str, str], change: dict[str, Any], status: int
) -> None:
    token = headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    legacy = {"sub": claims["sub"], "jti": claims["sid"], "aud": "session", "exp": claims["exp"]}
    legacy |= change
    key = legacy.pop("key", SECRET)
    old = bearer(jwt.encode(legacy, key, algorithm="HS256"))
    assert service.client.get("/users/me", headers=old).status_code == status


REFUSED = (
    'Bearer error="invalid_token", '
    'error_description="The token is invalid, or its session has ended"'
)


@pytest.mark.parametrize(
    ("value", "challenge"),
    [
        ("", "Bearer"),
        ("Bearer", "Bearer"),
        ("Basic a2luZzpjYW1lbG90", "Bearer"),
        ("Bearer x", REFUSED),
        ("Bearer a.b.c", REFUSED),
        ("Bearer é", REFUSED),
        (f"Bearer {'x' * 5_000}", REFUSED),
    ],
    ids=["empty", "scheme", "basic", "letter", "dots", "accent", "long"],
)
def test_the_challenge_tells_no_token_from_a_bad_one(
    service: Service, value: str, challenge: str
) -> None:
    headers = [(b"Authorization", value.encode())]
    answer = service.client.get("/users/me", headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Unauthorized"}
    assert answer.headers["www-authenticate"] == challenge


def test_the_challenge_for_an_ended_session(service: Service, headers: dict[str, str]) -> None:
    assert service.client.post("/auth/jwt/logout", headers=headers).status_code == 204
    for request in ("GET", "PATCH"):
        answer = service.client.request(request, "/users/me", headers=headers, json={})
        assert answer.headers["www-authenticate"] == REFUSED


def test_the_scheme_in_any_case_and_never_in_the_query(
    service: Service, headers: dict[str, str]
) -> None:
    token = headers["Authorization"].removeprefix("Bearer ")
    lower = {"Authorization": f"bearer {token}"}
    assert service.client.get("/users/me", headers=lower).status_code == 200
    assert service.client.get("/users/me", params={"access_token": token}).status_code == 401


def test_a_token_with_another_signature(service: Service, headers: dict[str, str]) -> None:
    head, claims, signature = headers["Authorization"].removeprefix("Bearer ").split(".")
    other = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"sub": "somebody else"}
    forgery = base64.urlsafe_b64encode(json.dumps(other).encode()).decode().rstrip("=")
    answer = service.client.get("/users/me", headers=bearer(f"{head}.{forgery}.{signature}"))
    assert answer.status_code == 401


def test_deactivation_ends_sessions_at_once(
    service: Service, person: Account, headers: dict[str, str], admin: dict[str, str]
) -> None:
    service.client.patch(f"/users/{person.id}", json={"is_active": False}, headers=admin)
    assert service.who_am_i(headers) == {401}
    service.client.patch(f"/users/{person.id}", json={"is_active": True}, headers=admin)
    assert service.client.get("/users/me", headers=headers).status_code == 401


def test_deletion_ends_sessions_at_once(
    service: Service, person: Account, headers: dict[str, str], admin: dict[str, str]
) -> None:
    assert service.client.delete(f"/users/{person.id}", headers=admin).status_code == 204
    assert service.who_am_i(headers) == {401}
    assert service.try_login(person.email, person.password).status_code == 400
