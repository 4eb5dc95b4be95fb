"""Logs in, refreshes and revokes with Authlib, which knows no more than the metadata's address.

Access tokens live two seconds here.
"""

import sys
import time
from collections.abc import Callable
from uuid import uuid4

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

url = sys.argv[1]
metadata = requests.get(f"{url}/.well-known/oauth-authorization-server", timeout=30).json()
person = {"username": f"k{uuid4().hex}@camelot.bt", "password": "excalibur 1"}
account = {"email": person["username"], "password": person["password"]}
assert requests.post(f"{url}/auth/register", json=account, timeout=30).status_code == 201

refreshed = []
session = OAuth2Session(
    token_endpoint=metadata["token_endpoint"],
    update_token=lambda token, **_: refreshed.append(token),
    leeway=0,
)
token = session.fetch_token(grant_type="password", **person)
assert token["token_type"] == "bearer"
assert session.get(f"{url}/users/me").json()["email"] == person["username"]
assert refreshed == []

time.sleep(token["expires_in"] + 1)
assert session.get(f"{url}/users/me").json()["email"] == person["username"]
assert len(refreshed) == 1
assert session.token["refresh_token"] == refreshed[0]["refresh_token"] != token["refresh_token"]

again = session.refresh_token()
revoked = session.revoke_token(
    metadata["revocation_endpoint"], again["refresh_token"], token_type_hint="refresh_token"
)
assert revoked.status_code == 200
assert session.get(f"{url}/users/me").status_code == 401


def refusal(fetch: Callable[..., object], *arguments: str, **form: str) -> str:
    try:
        token = fetch(*arguments, **form)
    except OAuthError as error:
        return str(error.error)
    raise AssertionError(f"taken for a token: {token}")


assert refusal(session.refresh_token) == "invalid_grant"
for endpoint in (metadata["token_endpoint"], f"{url}/auth/jwt/login"):
    fetch = OAuth2Session().fetch_token
    login = {"grant_type": "password", **person}
    assert refusal(fetch, endpoint, **login | {"password": "wrong"}) == "invalid_grant"
    other = login | {"grant_type": "client_credentials"}
    assert refusal(fetch, endpoint, **other) == "unsupported_grant_type"
    assert refusal(fetch, endpoint, grant_type="password", username="x") == "invalid_request"
    # 413
    assert refusal(fetch, endpoint, **login | {"password": "x" * 70_000}) == "invalid_request"
print("done")
