"""Keys that are derived from the secret: another derivation would sign everybody out."""

from datetime import timedelta
from uuid import UUID

import jwt
import pytest

from app import clock
from app.crypto.access_tokens import signing_keys
from app.crypto.keys import KEY_BYTES, derive_key
from app.crypto.refresh_tokens import RefreshTokens
from app.crypto.tokens import Signer
from app.sessions.store import COOKIE
from tests.service import SECRET

# Independent of the database.
pytestmark = pytest.mark.only("sqlite")

# Made by the first release with derived keys.
REFRESH_KEY = "967da01120bdb8faee0dd71f8f62645382d306778b460a29f5c5e2d829d14e5b"
REFRESH_TOKEN = "kr_AAAAAAAAAAAAAAAAAAAAAgAAAAdBmOqMyLf5ReKaiEYWVtdIA3mylZASFLs9xVyOzFaDxw"
ACCESS_KEY_ID = "hTFy8sMXyHInYl1cT_Y79VGTTsFRWN9XvtQS2yL3IqQ"
FINGERPRINT = "064b4b2cb1ae8e9ed1ed79be25a6df1768febb6200e17945b9367cf5724824d7"


def test_a_derived_key_differs_by_purpose_and_secret() -> None:
    keys = {derive_key(secret, purpose) for secret in (SECRET, SECRET[::-1]) for purpose in "ab"}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {KEY_BYTES}
    assert SECRET.encode() not in keys


def test_credentials_of_an_earlier_release_stay_valid() -> None:
    assert derive_key(SECRET, "refresh token").hex() == REFRESH_KEY
    assert RefreshTokens(SECRET).read(REFRESH_TOKEN) == (UUID(int=2), 7)
    assert signing_keys([], [SECRET])[0].id == ACCESS_KEY_ID
    signer = Signer(SECRET)
    assert signer.is_fingerprint(FINGERPRINT, "a", "b")
    claims = {"aud": "session cookie", "exp": clock.now() + timedelta(hours=1), "sub": "arthur"}
    cookie = jwt.encode(claims, derive_key(SECRET, "session cookie"), algorithm="HS256")
    assert signer.verify(COOKIE, cookie) is not None
