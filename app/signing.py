"""Tokens that name something and cannot be forged."""

import hashlib
import hmac
from datetime import datetime
from typing import Any

import jwt

_ALGORITHM = "HS256"


class Signer:
    """Signs and reads JSON Web Tokens (RFC 7519) with one secret, each for one audience."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def sign(self, audience: str, expires_at: datetime, **claims: str) -> str:
        """Return a token with `claims`, good for `audience` until `expires_at` (aware, UTC)."""
        payload = {**claims, "aud": audience, "exp": expires_at}
        return jwt.encode(payload, self._secret, algorithm=_ALGORITHM)

    def read(self, audience: str, token: str) -> dict[str, Any] | None:
        """Return the claims of a good token; None for any other."""
        try:
            return jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                audience=audience,
                options={"require": ["aud", "exp", "sub"]},
            )
        except (jwt.PyJWTError, UnicodeError, RecursionError):
            return None

    def fingerprint(self, *parts: str) -> str:
        """Return a keyed digest of `parts` in hex that does not give them away (RFC 2104)."""
        message = "\0".join(parts).encode()
        return hmac.new(self._secret.encode(), message, hashlib.sha256).hexdigest()
