"""Logs in, refreshes and revokes with requests-oauthlib. Access tokens live two seconds here."""

import os
import sys
import time
from uuid import uuid4

import requests
from oauthlib.oauth2 import InvalidGrantError, LegacyApplicationClient, OAuth2Error
from requests_oauthlib import OAuth2Session

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # the service is on loopback
url = sys.argv[1]
metadata = requests.get(f"{url}/.well-known/oauth-authorization-server", timeout=30).json()
endpoint = metadata["token_endpoint"]
person = {"username": f"k{uuid4().hex}@camelot.bt", "password": "excalibur 1"}
account = {"email": person["username"], "password": person["password"]}
assert requests.post(f"{url}/auth/register", json=account, timeout=30).status_code == 201

refreshed = []
session = OAuth2Session(
    client=LegacyApplicationClient(client_id="app"),
    auto_refresh_url=endpoint,
    auto_refresh_kwargs={"client_id": "app"},
    token_updater=refreshed.append,
)
token = session.fetch_token(endpoint, **person)
assert session.get(f"{url}/users/me").json()["email"] == person["username"]
assert refreshed == []

time.sleep(token["expires_in"] + 1)
assert session.get(f"{url}/users/me").json()["email"] == person["username"]
assert len(refreshed) == 1
assert session.token["refresh_token"] == refreshed[0]["refresh_token"] != token["refresh_token"]

to, headers, body = session._client.prepare_token_revocation_request(
    metadata["revocation_endpoint"], session.token["refresh_token"], "refresh_token"
)
assert requests.post(to, data=body, headers=headers, timeout=30).status_code == 200
assert session.get(f"{url}/users/me").status_code == 401
try:
    session.refresh_token(endpoint)
except InvalidGrantError:
    pass
else:
    raise AssertionError("refreshed")


class Other(LegacyApplicationClient):
    grant_type = "client_credentials"


def refusal(endpoint: str, client: LegacyApplicationClient, **form: str) -> str:
    try:
        token = OAuth2Session(client=client).fetch_token(endpoint, **form)
    except OAuth2Error as error:
        return str(error.error)
    raise AssertionError(f"taken for a token: {token}")


client = LegacyApplicationClient(client_id="app")
for address in (endpoint, f"{url}/auth/jwt/login"):
    assert refusal(address, client, **person | {"password": "wrong"}) == "invalid_grant"
    assert refusal(address, client, **person | {"password": "x" * 70_000}) == "invalid_request"
    assert refusal(address, Other(client_id="app"), **person) == "unsupported_grant_type"
print("done")
