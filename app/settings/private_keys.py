"""Private keys in PEM that sign access tokens."""

import re
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PrivateKey: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey

RSA_MIN_BITS = 2_048  # RFC 7518, section 3.3
_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)


def read_private_keys(pem: str) -> list[PrivateKey]:
    """Return the keys of one or more PEM blocks. Raises ValueError, which tells no key."""
    blocks = [found[0] for found in _BLOCK.finditer(pem) if "PARAMETERS" not in found[1]]
    if not blocks:
        raise ValueError("a private key in PEM begins with -----BEGIN PRIVATE KEY-----")
    return [_read(block) for block in blocks]


def _read(block: str) -> PrivateKey:
    try:
        key = load_pem_private_key(block.encode(), password=None)
    except TypeError:
        raise ValueError("the private key is encrypted: store it without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("the private key cannot be read: not PEM, or damaged") from None
    if isinstance(key, RSAPrivateKey) and key.key_size < RSA_MIN_BITS:
        raise ValueError(f"an RSA key has at least {RSA_MIN_BITS:,} bits")
    is_p256 = isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
    if not (is_p256 or isinstance(key, Ed25519PrivateKey | RSAPrivateKey)):
        raise ValueError("the private key is neither Ed25519, P-256 nor RSA")
    assert isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey)
    return key
