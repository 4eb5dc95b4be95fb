"""Signed tokens that only this service reads."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

import jwt
from jwt.types import Options

from app import limits
from app.crypto.keys import derive_key
from app.crypto.token_reader import Claims, TokenReader

_ALGORITHM = "HS256"
_OPTIONS: Options = {"require": ["aud", "exp", "sub"], "verify_exp": False, "verify_iat": False}

# White space and characters without a width, which no token has.
_FOLDS = re.compile("[\\s\u00ad\u200b-\u200d\u2060\ufeff]+")


def unfold(token: str) -> str:
    """Return a pasted token in one piece: mail readers break long lines, and blanks come along.

    A text that is too long for a token is returned as it is.
    """
    return _FOLDS.sub("", token) if limits.TOKEN.holds(token) else token


class Signer:
    """Signs and reads JSON Web Tokens (RFC 7519), each with the key and audience of a purpose."""

    def __init__(self, secret: str, *others: str) -> None:
        """`secret` signs. Tokens and fingerprints of `others` are valid too, for a rotation."""
        self._secrets = (secret, *others)
        self._keys = cache(self._derive_keys)
        self._reader = TokenReader(self._decode)

    def sign(self, purpose: str, expires_at: datetime, **claims: str) -> str:
        """Return a token with `claims`, valid for `purpose` until `expires_at` (aware, UTC)."""
        payload = {**claims, "aud": purpose, "exp": expires_at}
        return jwt.encode(payload, self._keys(purpose)[0], algorithm=_ALGORITHM)

    def verify(self, purpose: str, token: str) -> Claims | None:
        """Return the claims of a token that is valid for `purpose` now, or None."""
        return self._reader.read(purpose, token)

    def expired_at(self, purpose: str, token: str) -> datetime | None:
        """Return when a token for `purpose` expired (UTC), or None if it is invalid or has not."""
        return self._reader.expired_at(purpose, token)

    def fingerprint(self, *parts: str) -> str:
        """Return a keyed digest of `parts` in hex: HMAC-SHA256, RFC 2104."""
        return _digest(self._keys("fingerprint")[0], parts)

    def is_fingerprint(self, text: str, *parts: str) -> bool:
        """Return whether `text` is the keyed digest of `parts`."""
        keys = self._keys("fingerprint")
        return any(hmac.compare_digest(text, _digest(key, parts)) for key in keys)

    def _derive_keys(self, purpose: str) -> list[bytes]:
        """Return the keys for `purpose`: the one that signs, and those that are valid too.

        The secrets themselves are among the latter: releases before 0009 signed with them.
        """
        derived = [derive_key(secret, purpose) for secret in self._secrets]
        return derived + [secret.encode() for secret in self._secrets]

    def _decode(self, purpose: str, token: str) -> dict[str, Any]:
        *others, last = self._keys(purpose)
        for key in others:
            try:
                return _decode(purpose, token, key)
            except jwt.InvalidSignatureError:
                continue
        return _decode(purpose, token, last)


def _decode(purpose: str, token: str, key: bytes) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=[_ALGORITHM], audience=purpose, options=_OPTIONS
    )
    return claims


def _digest(key: bytes, parts: Iterable[str]) -> str:
    return hmac.new(key, "\0".join(parts).encode(), hashlib.sha256).hexdigest()
