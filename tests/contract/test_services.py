"""Tokens for other services: keys, metadata, introspection, revocation."""

from typing import Any

import jwt
import pytest

from tests.contract.test_refresh import log_in, refresh, status_of
from tests.service import SERVICE_TOKEN, Account, Service, bearer

ASK = bearer(SERVICE_TOKEN)


def introspect(service: Service, token: str) -> dict[str, Any]:
    answer = service.client.post("/auth/introspect", data={"token": token}, headers=ASK)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


def test_the_keys_verify_an_access_token(service: Service, headers: dict[str, str]) -> None:
    answer = service.client.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=300"
    token = headers["Authorization"].removeprefix("Bearer ")
    header = jwt.get_unverified_header(token)
    assert (header["typ"], header["alg"]) == ("at+jwt", "EdDSA")
    [key] = [one for one in answer.json()["keys"] if one["kid"] == header["kid"]]
    assert key.keys() == {"kty", "crv", "x", "kid", "use", "alg"}  # nothing private
    issuer = service.client.get("/.well-known/oauth-authorization-server").json()["issuer"]
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["EdDSA"], audience=issuer, issuer=issuer)
    assert claims.keys() == {"iss", "sub", "aud", "exp", "iat", "jti", "sid", "client_id"}
    assert claims["exp"] - claims["iat"] == 3_600


@pytest.mark.parametrize("name", ["jwks.json", "oauth-authorization-server"])
def test_a_document_that_is_known_is_not_sent_again(service: Service, name: str) -> None:
    path = f"/.well-known/{name}"
    etag = service.client.get(path).headers["etag"]
    for known in (etag, f'"x", W/{etag}', "*"):
        answer = service.client.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
    for unknown in ('"x"', etag.strip('"'), "W/", ",", '"'):
        assert service.client.get(path, headers={"If-None-Match": unknown}).status_code == 200


def test_the_metadata_name_addresses_that_answer(service: Service, person: Account) -> None:
    metadata = service.client.get("/.well-known/oauth-authorization-server").json()
    issuer = metadata["issuer"]
    paths = {
        name: url.removeprefix(issuer)
        for name, url in metadata.items()
        if name.endswith(("_endpoint", "_uri"))
    }
    assert set(paths) == {
        *("token_endpoint", "jwks_uri"),
        *("introspection_endpoint", "revocation_endpoint"),
    }
    assert service.client.get(paths["jwks_uri"]).status_code == 200
    form = {"grant_type": "password", "username": person.email, "password": person.password}
    pair = service.client.post(paths["token_endpoint"], data=form).json()
    asked = {"token": pair["access_token"]}
    answer = service.client.post(paths["introspection_endpoint"], data=asked, headers=ASK)
    assert answer.json()["active"] is True
    assert service.client.post(paths["revocation_endpoint"], data=asked).status_code == 200
    assert set(metadata["grant_types_supported"]) == {"password", "refresh_token"}
    assert metadata["response_types_supported"] == []


def test_a_token_request_names_each_invalid_field_once(service: Service) -> None:
    for form, named in (({}, "missing"), ({"grant_type": "implicit"}, "literal_error")):
        answer = service.client.post("/auth/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (422, "unsupported_grant_type")
        assert [one["type"] for one in answer.json()["detail"]] == [named]


def test_an_access_token_is_examined(service: Service, person: Account) -> None:
    token = log_in(service, person)["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    found = introspect(service, token)
    assert found == {
        "active": True,
        "token_type": "bearer",
        "username": person.email,
        **{name: claims[name] for name in ("iss", "aud", "sub", "sid", "iat", "exp")},
    }


def test_a_refresh_token_is_examined(service: Service, person: Account) -> None:
    pair = log_in(service, person)
    found = introspect(service, pair["refresh_token"])
    assert (found["active"], found["token_type"]) == (True, "refresh_token")
    assert (found["sub"], found["username"]) == (person.id, person.email)
    assert found["exp"] - found["iat"] == 14 * 86_400
    # That changed nothing; a used one is not valid any more.
    assert refresh(service, pair["refresh_token"]).status_code == 200
    assert introspect(service, pair["refresh_token"]) == {"active": False}


@pytest.mark.parametrize("token", ["x", "a.b.c", "kr_x", "x" * 5_000, SERVICE_TOKEN])
def test_any_other_text_is_inactive(service: Service, token: str) -> None:
    assert introspect(service, token) == {"active": False}


def test_the_tokens_of_an_inactive_account_are_inactive(
    service: Service, person: Account, admin: dict[str, str]
) -> None:
    pair = log_in(service, person)
    service.client.patch(f"/users/{person.id}", json={"is_active": False}, headers=admin)
    for name in ("access_token", "refresh_token"):
        assert introspect(service, pair[name]) == {"active": False}


@pytest.mark.parametrize("sent", [{}, bearer("x"), {"Authorization": f"Basic {SERVICE_TOKEN}"}])
def test_introspection_needs_the_service_token(
    service: Service, headers: dict[str, str], sent: dict[str, str]
) -> None:
    for each in (sent, headers):
        answer = service.client.post("/auth/introspect", data={"token": "x"}, headers=each)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_incomplete_introspection(service: Service) -> None:
    answer = service.client.post("/auth/introspect", data={}, headers=ASK)
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_request")
    answer = service.client.post("/auth/introspect", json={"token": "x"}, headers=ASK)
    assert (answer.status_code, answer.json()["error"]) == (415, "invalid_request")
    answer = service.client.post("/auth/introspect", files={"token": b"x"}, headers=ASK)
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_request")


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
def test_a_revoked_token_ends_its_session(service: Service, person: Account, name: str) -> None:
    pair, other = log_in(service, person), log_in(service, person)
    form = {"token": pair[name], "token_type_hint": name}
    assert service.client.post("/auth/revoke", data=form).status_code == 200
    assert status_of(service, pair["access_token"]) == 401
    assert refresh(service, pair["refresh_token"]).status_code == 401
    assert status_of(service, other["access_token"]) == 200
    assert service.client.post("/auth/revoke", data=form).status_code == 200


@pytest.mark.parametrize("token", ["x", "a.b.c", "kr_x", "x" * 5_000])
def test_any_other_text_is_revoked_without_effect(service: Service, token: str) -> None:
    answer = service.client.post("/auth/revoke", data={"token": token})
    assert (answer.status_code, answer.json()) == (200, None)
