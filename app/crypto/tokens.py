"""Signed tokens."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import jwt

from app import clock, limits

_ALGORITHM = "HS256"

# Verified tokens that are cached, of some 1,100 bytes each.
_CACHED = 10_000

# White space and characters without a width, which no token has.
_FOLDS = re.compile("[\\s\u00ad\u200b-\u200d\u2060\ufeff]+")


def unfold(token: str) -> str:
    """Return a pasted token in one piece: mail readers break long lines, and blanks come along.

    A text that is too long for a token is returned as it is.
    """
    return _FOLDS.sub("", token) if limits.TOKEN.holds(token) else token


class Signer:
    """Signs and reads JSON Web Tokens (RFC 7519), each for one audience."""

    def __init__(self, secret: str, *others: str) -> None:
        """`secret` signs. Tokens and fingerprints of `others` are valid too, for a rotation."""
        self._secrets = (secret, *others)
        # A valid signature stays valid; the expiry is checked on every call.
        self._verified = lru_cache(_CACHED)(self._verify)

    def sign(self, audience: str, expires_at: datetime, **claims: str) -> str:
        """Return a token with `claims`, valid for `audience` until `expires_at` (aware, UTC)."""
        payload = {**claims, "aud": audience, "exp": expires_at}
        return jwt.encode(payload, self._secrets[0], algorithm=_ALGORITHM)

    def verify(self, audience: str, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a token that is valid for `audience` now, or None."""
        if not limits.TOKEN.holds(token):
            return None
        try:
            claims = self._verified(audience, token)
        except (jwt.PyJWTError, UnicodeError, RecursionError):
            return None
        return claims if claims["exp"] > clock.now().timestamp() else None

    def expired_at(self, audience: str, token: str) -> datetime | None:
        """Return when a token for `audience` expired (UTC), or None if it is invalid or has not."""
        if not limits.TOKEN.holds(token):
            return None
        try:
            claims = self._verify(audience, token, also_expired=True)
        except (jwt.PyJWTError, UnicodeError, RecursionError):
            return None
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        return expires_at if expires_at <= clock.now() else None

    def _verify(
        self, audience: str, token: str, *, also_expired: bool = False
    ) -> Mapping[str, Any]:
        for secret in self._secrets[:-1]:
            try:
                return _decode(audience, token, secret, also_expired=also_expired)
            except jwt.InvalidSignatureError:
                continue
        return _decode(audience, token, self._secrets[-1], also_expired=also_expired)

    def fingerprint(self, *parts: str) -> str:
        """Return a keyed digest of `parts` in hex: HMAC-SHA256, RFC 2104."""
        return _digest(self._secrets[0], parts)

    def is_fingerprint(self, text: str, *parts: str) -> bool:
        """Return whether `text` is the keyed digest of `parts`."""
        return any(hmac.compare_digest(text, _digest(key, parts)) for key in self._secrets)


def _decode(audience: str, token: str, secret: str, *, also_expired: bool) -> Mapping[str, Any]:
    return MappingProxyType(
        jwt.decode(
            token,
            secret,
            algorithms=[_ALGORITHM],
            audience=audience,
            options={"require": ["aud", "exp", "sub"], "verify_exp": not also_expired},
        )
    )


def _digest(secret: str, parts: Iterable[str]) -> str:
    return hmac.new(secret.encode(), "\0".join(parts).encode(), hashlib.sha256).hexdigest()
