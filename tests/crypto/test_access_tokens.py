"""Access tokens, and the keys that sign them."""

import hmac
import json
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_decode, base64url_encode

from app import clock
from app.crypto.access_tokens import AccessTokens, SigningKey, signing_keys
from app.settings.private_keys import PrivateKey
from tests.service import SECRET

# Independent of the database.
pytestmark = pytest.mark.only("sqlite")

ISSUER, AUDIENCE = "https://id.camelot.bt", "https://api.camelot.bt"
USER, SESSION = UUID(int=1), UUID(int=2)
KEYS: dict[str, PrivateKey] = {
    "EdDSA": Ed25519PrivateKey.from_private_bytes(b"k" * 32),
    # Its y begins with a zero, which is a part of the key (RFC 7518, section 6.2.1.2).
    "ES256": ec.derive_private_key(43, ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65_537, 2_048),
}
ALGORITHMS = pytest.mark.parametrize("algorithm", KEYS)


def tokens(*keys: PrivateKey, secrets: tuple[str, ...] = (SECRET,)) -> AccessTokens:
    return AccessTokens(signing_keys(keys, secrets), ISSUER, AUDIENCE)


def sign(signer: AccessTokens, seconds: float = 60) -> str:
    now = clock.now()
    expires_at = now + timedelta(seconds=seconds)
    return signer.sign(USER, SESSION, issued_at=now, expires_at=expires_at)


def test_the_id_of_a_key_is_the_one_of_rfc_8037() -> None:
    """Appendices A.1 and A.3."""
    private = base64url_decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
    key = SigningKey.of(Ed25519PrivateKey.from_private_bytes(private))
    assert key.id == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert key.jwk["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


@pytest.mark.parametrize(
    ("algorithm", "text"),
    [
        ("EdDSA", '{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'),
        ("ES256", '{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'),
        ("RS256", '{{"e":"AQAB","kty":"RSA","n":"{n}"}}'),
    ],
)
def test_the_id_is_the_thumbprint_of_rfc_7638(algorithm: str, text: str) -> None:
    key = SigningKey.of(KEYS[algorithm])
    digest = sha256(text.format(**key.jwk).encode()).digest()
    assert key.id == base64url_encode(digest).decode()
    assert (key.algorithm, key.jwk["use"]) == (algorithm, "sig")
    assert not {"d", "p", "q"} & key.jwk.keys()


@ALGORITHMS
def test_the_first_key_signs_and_the_others_are_valid_too(algorithm: str) -> None:
    given, derived = tokens(KEYS[algorithm]), tokens()
    token = sign(given)
    kid = SigningKey.of(KEYS[algorithm]).id
    assert jwt.get_unverified_header(token) == {"typ": "at+jwt", "alg": algorithm, "kid": kid}
    claims = given.verify(token)
    assert claims is not None
    assert (claims["sub"], claims["sid"]) == (str(USER), str(SESSION))
    assert given.verify(sign(derived)) is not None
    assert derived.verify(token) is None


def test_a_rotation_of_secrets_knows_both() -> None:
    old, new = tokens(), tokens(secrets=(SECRET[::-1],))
    during = tokens(secrets=(SECRET[::-1], SECRET))
    assert during.verify(sign(old)) is not None
    assert new.verify(sign(during)) is not None
    assert old.verify(sign(during)) is None


def test_a_key_that_is_given_twice_is_one_key() -> None:
    """jose refuses a list with two keys of one id."""
    derived, other = tokens().keys[0], KEYS["ES256"]
    keys = signing_keys([derived.private, other, other], [SECRET, SECRET])
    assert [key.id for key in keys] == [derived.id, SigningKey.of(other).id]


@ALGORITHMS
def test_another_service_verifies_with_the_published_key(algorithm: str) -> None:
    signer = tokens(KEYS[algorithm])
    published = jwt.PyJWK.from_json(json.dumps(signer.keys[0].jwk))
    claims = jwt.decode(
        sign(signer), published, algorithms=[algorithm], audience=AUDIENCE, issuer=ISSUER
    )
    assert claims["client_id"] == "keystead"


@ALGORITHMS
def test_a_public_key_is_no_secret(algorithm: str) -> None:
    """Its text in any form as an HMAC's key, named by its own id: RFC 8725, section 2.1."""
    private = KEYS[algorithm]
    signer, public = tokens(private), private.public_key()
    _, payload, _ = sign(signer).split(".")
    header = {"typ": "at+jwt", "alg": "HS256", "kid": signer.keys[0].id}
    content = f"{base64url_encode(json.dumps(header).encode()).decode()}.{payload}"
    for encoding in (Encoding.PEM, Encoding.DER):
        key = public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        mac = hmac.new(key, content.encode(), sha256).digest()
        assert signer.verify(f"{content}.{base64url_encode(mac).decode()}") is None


@pytest.mark.parametrize("kid", [None, "", "another", 7, ["a"], {}])
def test_a_token_of_an_unknown_key_is_refused(kid: Any) -> None:
    signer = tokens()
    _, payload, signature = sign(signer).split(".")
    header = {"typ": "at+jwt", "alg": "EdDSA", "kid": kid}
    head = base64url_encode(json.dumps(header).encode()).decode()
    assert signer.verify(f"{head}.{payload}.{signature}") is None


def test_a_token_expires() -> None:
    signer = tokens()
    now = clock.now()
    token = sign(signer, seconds=60)
    assert signer.expired_at(token) is None
    with time_machine.travel(now + timedelta(seconds=61), tick=False):
        assert signer.verify(token) is None
        expired_at = signer.expired_at(token)
    assert expired_at is not None
    assert abs(expired_at - now - timedelta(seconds=60)) <= timedelta(seconds=1)
    assert tokens(secrets=(SECRET[::-1],)).expired_at(token) is None


def test_each_token_has_an_id_of_its_own() -> None:
    signer = tokens()
    ids = {jwt.decode(sign(signer), options={"verify_signature": False})["jti"] for _ in range(3)}
    assert len(ids) == 3
