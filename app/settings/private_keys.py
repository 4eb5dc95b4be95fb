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
# Signing takes 6 ms, and 50 with twice as many, during which no request is served.
RSA_MAX_BITS = 4_096
_BEGIN = "-----BEGIN "
_BLOCK = re.compile(rf"{_BEGIN}([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
# `openssl ecparam -genkey` writes them before the key, which names its curve itself.
_PARAMETERS = "EC PARAMETERS"
_LABELS = ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
_REMEDY = "`keystead keys new ed25519` makes one"


def read_private_keys(pem: str) -> list[PrivateKey]:
    r"""Return the keys of one or more PEM blocks. Raises ValueError, which tells no key.

    A text of one line, as some env files need it, has `\n` between the lines of PEM, where no
    backslash occurs.
    """
    pem = pem.replace("\\r", "").replace("\\n", "\n")
    blocks = list(_BLOCK.finditer(pem))
    if len(blocks) < pem.count(_BEGIN):
        raise ValueError(
            "a PEM block without its end: name a file in KEYSTEAD_SIGNING_KEY_FILE, or write "
            "\\n for each end of a line"
        )
    keys = [_read(*found.group(1, 0)) for found in blocks if found[1] != _PARAMETERS]
    if not keys:
        raise ValueError(f"no private key in PEM: {_REMEDY}")
    return keys


def _read(label: str, block: str) -> PrivateKey:
    if label not in _LABELS:
        raise ValueError(
            f"a block that begins with {_BEGIN}{label}-----: a private key begins with "
            f"{_BEGIN}PRIVATE KEY-----; {_REMEDY}"
        )
    try:
        key = load_pem_private_key(block.encode(), password=None)
    except TypeError:
        raise ValueError(
            "the private key is encrypted: `openssl pkey -in FILE` prints it without its password"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("the private key is damaged: copy it again") from None
    if isinstance(key, RSAPrivateKey) and key.key_size < RSA_MIN_BITS:
        raise ValueError(f"an RSA key of fewer than {RSA_MIN_BITS:,} bits: {_REMEDY}")
    if isinstance(key, RSAPrivateKey) and key.key_size > RSA_MAX_BITS:
        raise ValueError(f"an RSA key of more than {RSA_MAX_BITS:,} bits: {_REMEDY}")
    is_p256 = isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
    if not (is_p256 or isinstance(key, Ed25519PrivateKey | RSAPrivateKey)):
        raise ValueError(f"the private key is neither Ed25519, P-256 nor RSA: {_REMEDY}")
    assert isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey)
    return key
