"""Access tokens, which other services verify by themselves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Self
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import Algorithm, get_default_algorithms
from jwt.types import Options
from jwt.utils import base64url_encode

from app.crypto.keys import derive_key
from app.crypto.token_reader import Claims, TokenReader
from app.ids import new_id
from app.settings.private_keys import PrivateKey

TYPE = "at+jwt"
"""The type in a token's header (RFC 9068, section 2.1), which no other token of ours has."""
CLIENT_ID = "keystead"
"""The client that each token was issued to: whoever knows the password (RFC 9068, section 2.2)."""

_REQUIRED = ["iss", "sub", "aud", "exp", "iat", "jti", "sid"]
_OPTIONS: Options = {"require": _REQUIRED, "verify_exp": False, "verify_iat": False}
# The members of a public key that its thumbprint is made of: RFC 7638, RFC 8037.
_THUMBPRINT = ("crv", "e", "kty", "n", "x", "y")


@dataclass(frozen=True)
class SigningKey:
    """A private key that signs access tokens, with its public half for others."""

    private: PrivateKey
    jwk: dict[str, str]
    """The public key as a JSON Web Key (RFC 7517), with `kid`, `use` and `alg`."""

    @classmethod
    def of(cls, private: PrivateKey) -> Self:
        """Return the key, named by its thumbprint (RFC 7638)."""
        algorithm = _algorithm(private)
        members = _jwk(algorithm, private)
        named = {name: members[name] for name in _THUMBPRINT if name in members}
        digest = sha256(json.dumps(named, separators=(",", ":")).encode()).digest()
        kid = base64url_encode(digest).decode()
        return cls(private, {**named, "kid": kid, "use": "sig", "alg": algorithm})

    @property
    def id(self) -> str:
        return self.jwk["kid"]

    @property
    def algorithm(self) -> str:
        return self.jwk["alg"]


def signing_keys(private_keys: Sequence[PrivateKey], secrets: Sequence[str]) -> list[SigningKey]:
    """Return the keys of access tokens: those that are given, then one of each secret.

    The first one signs, all of them are valid. A key that is given twice is returned once: some
    libraries refuse a key set with two keys of one id.
    """
    derived = [
        Ed25519PrivateKey.from_private_bytes(derive_key(secret, "access token"))
        for secret in secrets
    ]
    keys = [SigningKey.of(key) for key in (*private_keys, *derived)]
    return list({key.id: key for key in keys}.values())


class AccessTokens:
    """Signs and reads access tokens: JSON Web Tokens of RFC 9068."""

    def __init__(self, keys: Sequence[SigningKey], issuer: str, audience: str) -> None:
        """`keys`: the first one signs. `issuer`: the service's address."""
        self.keys = keys
        self.issuer = issuer
        self.audience = audience
        self._by_id = {key.id: jwt.PyJWK(key.jwk) for key in keys}
        self._reader = TokenReader(self._decode)

    def sign(
        self, user_id: UUID, session_id: UUID, *, issued_at: datetime, expires_at: datetime
    ) -> str:
        """Return a token of a session. The times are aware and in UTC."""
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": str(new_id()),
            "client_id": CLIENT_ID,
            "iat": issued_at,
            "exp": expires_at,
        }
        key = self.keys[0]
        headers = {"typ": TYPE, "kid": key.id}
        return jwt.encode(claims, key.private, algorithm=key.algorithm, headers=headers)

    def verify(self, token: str) -> Claims | None:
        """Return the claims of a token that is valid now, or None."""
        return self._reader.read(token)

    def expired_at(self, token: str) -> datetime | None:
        """Return when a token expired (UTC), or None if it is invalid or has not."""
        return self._reader.expired_at(token)

    def _decode(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        key = self._by_id.get(header.get("kid", ""))
        if key is None or header.get("typ") != TYPE:
            raise jwt.InvalidTokenError("not an access token of ours")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=self.audience,
            issuer=self.issuer,
            options=_OPTIONS,
        )
        return claims


def _algorithm(key: PrivateKey) -> str:
    if isinstance(key, Ed25519PrivateKey):
        return "EdDSA"
    return "RS256" if isinstance(key, RSAPrivateKey) else "ES256"


def _jwk(algorithm: str, private: PrivateKey) -> dict[str, str]:
    kind: Algorithm = get_default_algorithms()[algorithm]
    members: dict[str, str] = type(kind).to_jwk(private.public_key(), as_dict=True)
    return members
