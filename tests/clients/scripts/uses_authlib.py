"""Logs in with Authlib, as a client of any token endpoint (RFC 6749, section 4.3)."""

import sys
from uuid import uuid4

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

url = sys.argv[1]
endpoint = f"{url}/auth/jwt/login"
person = {"username": f"k{uuid4().hex}@camelot.bt", "password": "excalibur 1"}
account = {"email": person["username"], "password": person["password"]}
assert requests.post(f"{url}/auth/register", json=account, timeout=30).status_code == 201

session = OAuth2Session()
token = session.fetch_token(endpoint, grant_type="password", **person)
assert token["token_type"] == "bearer"
assert session.get(f"{url}/users/me").json()["email"] == person["username"]


def refusal(**form: str) -> str:
    try:
        token = OAuth2Session().fetch_token(endpoint, **form)
    except OAuthError as error:
        return str(error.error)
    raise AssertionError(f"taken for a token: {token}")


assert refusal(grant_type="password", **person | {"password": "wrong"}) == "invalid_grant"
assert refusal(grant_type="client_credentials", **person) == "unsupported_grant_type"
assert refusal(grant_type="password", username="x") == "invalid_request"
# 413
assert refusal(grant_type="password", **person | {"password": "x" * 70_000}) == "invalid_request"
print("done")
