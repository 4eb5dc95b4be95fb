"""Logs in with requests-oauthlib."""

import os
import sys
from uuid import uuid4

import requests
from oauthlib.oauth2 import LegacyApplicationClient, OAuth2Error
from requests_oauthlib import OAuth2Session

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # the service is on loopback
url = sys.argv[1]
endpoint = f"{url}/auth/jwt/login"
person = {"username": f"k{uuid4().hex}@camelot.bt", "password": "excalibur 1"}
account = {"email": person["username"], "password": person["password"]}
assert requests.post(f"{url}/auth/register", json=account, timeout=30).status_code == 201

session = OAuth2Session(client=LegacyApplicationClient(client_id="app"))
token = session.fetch_token(endpoint, **person)
assert token["expires_in"] > 0
assert session.get(f"{url}/users/me").json()["email"] == person["username"]


class Other(LegacyApplicationClient):
    grant_type = "client_credentials"


def refusal(client: LegacyApplicationClient, **form: str) -> str:
    try:
        token = OAuth2Session(client=client).fetch_token(endpoint, **form)
    except OAuth2Error as error:
        return str(error.error)
    raise AssertionError(f"taken for a token: {token}")


client = LegacyApplicationClient(client_id="app")
assert refusal(client, **person | {"password": "wrong"}) == "invalid_grant"
assert refusal(client, **person | {"password": "x" * 70_000}) == "invalid_request"
assert refusal(Other(client_id="app"), **person) == "unsupported_grant_type"
print("done")
