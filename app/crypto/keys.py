"""The keys that are derived from the secrets, one for each purpose."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


def derive_key(secret: str, purpose: str) -> bytes:
    """Return the key of `secret` for `purpose`, 32 bytes: HKDF-SHA256, RFC 5869.

    No key tells another one, nor the secret.
    """
    info = f"keystead {purpose}".encode()
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(secret.encode())
