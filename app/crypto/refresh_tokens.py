"""Refresh tokens, which are not stored: a session's id, a counter, and a MAC of both."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from app.crypto.keys import derive_key

PREFIX = "kr_"
"""By which scanners for secrets know a refresh token."""

_ID_BYTES = 16
_COUNTER_BYTES = 4
_MAC_BYTES = 32
_LENGTH = 73  # characters


class RefreshToken(NamedTuple):
    """What a refresh token says."""

    session_id: UUID
    counter: int
    """How many refreshes of the session came before the one that the token is for."""


class RefreshTokens:
    """Writes and reads refresh tokens. The same session and counter give the same token."""

    def __init__(self, secret: str, *others: str) -> None:
        """`secret` signs. Tokens of `others` are valid too, for a rotation."""
        self._keys = [derive_key(each, "refresh token") for each in (secret, *others)]

    def write(self, session_id: UUID, counter: int) -> str:
        """Return the token."""
        content = session_id.bytes + counter.to_bytes(_COUNTER_BYTES, "big")
        return _encode(content + _mac(self._keys[0], content))

    def read(self, token: str) -> RefreshToken | None:
        """Return what a token says, or None if it is not one of ours."""
        if len(token) != _LENGTH or not token.startswith(PREFIX):
            return None
        try:
            signed = urlsafe_b64decode(token.removeprefix(PREFIX) + "==")
        except ValueError:
            return None
        if _encode(signed) != token:  # the last character has bits to spare
            return None
        content, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
        # Compared with each, so that the time does not tell which one matched.
        matches = [hmac.compare_digest(mac, _mac(key, content)) for key in self._keys]
        if not any(matches):
            return None
        counter = int.from_bytes(content[_ID_BYTES:], "big")
        return RefreshToken(UUID(bytes=content[:_ID_BYTES]), counter)


def _encode(signed: bytes) -> str:
    return PREFIX + urlsafe_b64encode(signed).decode().rstrip("=")


def _mac(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, sha256).digest()
