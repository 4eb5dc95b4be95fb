"""Tokens whose signature was verified, cached."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import jwt

from app import clock, limits

Claims = Mapping[str, Any]

# Of some 1,100 bytes each.
_CACHED = 10_000


class TokenReader:
    """Reads tokens, and remembers those with a valid signature: it stays valid."""

    def __init__(self, decode: Callable[..., dict[str, Any]]) -> None:
        """`decode`: returns the claims of a token, its last argument, expired or not.

        The claims have `exp`. Raises jwt.PyJWTError for a token that is invalid.
        """
        self._decode = lru_cache(_CACHED)(lambda *key: MappingProxyType(decode(*key)))

    def read(self, *key: str) -> Claims | None:
        """Return the claims of a token that has not expired, or None if it is invalid."""
        claims = self._read(*key)
        return claims if claims is not None and claims["exp"] > clock.now().timestamp() else None

    def expired_at(self, *key: str) -> datetime | None:
        """Return when a token expired (UTC), or None if it is invalid or has not."""
        claims = self._read(*key)
        if claims is None or claims["exp"] > clock.now().timestamp():
            return None
        return datetime.fromtimestamp(claims["exp"], UTC)

    def _read(self, *key: str) -> Claims | None:
        if not limits.TOKEN.holds(key[-1]):
            return None
        try:
            return self._decode(*key)
        except (jwt.PyJWTError, UnicodeError, RecursionError):
            return None
