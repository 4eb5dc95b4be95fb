"""KEYSTEAD_SIGNING_KEY: the keys that are accepted, and how others are refused."""

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from app.settings.model import Settings
from app.settings.private_keys import read_private_keys
from tests.service import make_environment, run_command, settings_from

# Independent of the database.
pytestmark = pytest.mark.only("sqlite")

ED25519 = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
P256 = ec.derive_private_key(43, ec.SECP256R1())
RSA = rsa.generate_private_key(65_537, 2_048)
PASSWORD = BestAvailableEncryption(b"hush")
# As `openssl ecparam -name prime256v1 -genkey` writes them.
PARAMETERS = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
PKCS1 = SEC1 = PrivateFormat.TraditionalOpenSSL
Key = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def pem(
    key: Key | dsa.DSAPrivateKey | X25519PrivateKey,
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: BestAvailableEncryption | NoEncryption = NoEncryption(),  # noqa: B008
) -> str:
    return key.private_bytes(Encoding.PEM, form, encryption).decode()


def public(key: Key) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


ACCEPTED: dict[str, tuple[str, list[Key]]] = {
    "Ed25519": (pem(ED25519), [ED25519]),
    "P-256": (pem(P256), [P256]),
    "P-256, SEC 1": (pem(P256, SEC1), [P256]),
    "P-256 after its parameters": (PARAMETERS + pem(P256, SEC1), [P256]),
    "RSA": (pem(RSA), [RSA]),
    "RSA, PKCS #1": (pem(RSA, PKCS1), [RSA]),
    "several": (pem(RSA) + PARAMETERS + pem(P256, SEC1) + pem(ED25519), [RSA, P256, ED25519]),
    "Windows' line ends": ((pem(RSA) + pem(P256)).replace("\n", "\r\n"), [RSA, P256]),
    "escaped line ends": ((pem(RSA) + pem(P256)).replace("\n", "\\n"), [RSA, P256]),
    "escaped Windows' line ends": (pem(RSA).replace("\n", "\\r\\n"), [RSA]),
    "text around it": (f"Bag Attributes\n  x: y\n{pem(P256)}\n# of May\n{pem(RSA)}", [P256, RSA]),
    "indented": ("\n".join(f"    {line}" for line in pem(P256).splitlines()), [P256]),
}


@pytest.mark.parametrize("form", ACCEPTED)
def test_private_keys_are_read_in_order(form: str) -> None:
    text, keys = ACCEPTED[form]
    read = read_private_keys(text)
    assert [public(key) for key in read] == [public(key) for key in keys]
    settings = Settings(_env_file=None, signing_key=text)
    assert [public(key) for key in settings.private_keys()] == [public(key) for key in keys]


DAMAGED = pem(RSA)[:400] + pem(RSA)[420:]
REFUSED: dict[str, tuple[str, str]] = {
    "nothing": ("x", "no private key in PEM: `keystead keys new ed25519` makes one"),
    "parameters alone": (PARAMETERS, "no private key in PEM"),
    "a public key": (
        ED25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "begins with -----BEGIN PUBLIC KEY-----: a private key begins with -----BEGIN PRIVATE",
    ),
    "OpenSSH's form": (pem(ED25519, PrivateFormat.OpenSSH), "-----BEGIN OPENSSH PRIVATE KEY-----"),
    "encrypted": (pem(ED25519, encryption=PASSWORD), "is encrypted: `openssl pkey -in FILE`"),
    "encrypted, PKCS #1": (pem(RSA, PKCS1, PASSWORD), "is encrypted: `openssl pkey -in FILE`"),
    "damaged": (DAMAGED, "the private key is damaged: copy it again"),
    "a good one and a damaged one": (pem(P256) + DAMAGED, "damaged"),
    "the first line alone": (pem(P256).splitlines()[0], "write \\n for each end of a line"),
    "a good one and half of one": (pem(P256) + pem(RSA)[:300], "a PEM block without its end"),
    "DSA": (pem(dsa.generate_private_key(1_024)), "neither Ed25519, P-256 nor RSA"),
    "P-384": (pem(ec.derive_private_key(43, ec.SECP384R1())), "neither Ed25519, P-256 nor RSA"),
    "X25519": (pem(X25519PrivateKey.generate()), "neither Ed25519, P-256 nor RSA"),
    "RSA of 1,024 bits": (pem(rsa.generate_private_key(65_537, 1_024)), "fewer than 2,048 bits"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_another_text_is_refused_with_a_remedy_and_not_shown(folder: Path, kind: str) -> None:
    text, reason = REFUSED[kind]
    said = run_command(make_environment(folder, signing_key=text), "keys", "list", code=1)
    shown = " ".join(said.split())
    assert shown.startswith("keystead: KEYSTEAD_SIGNING_KEY: ")
    assert reason in shown
    with pytest.raises(ValueError, match=re.escape(reason)) as refused:
        Settings(_env_file=None, signing_key=text)
    base64 = [line for line in text.splitlines() if len(line) > 20 and not line.startswith("-----")]
    for line in base64:
        assert line[:20] not in shown + str(refused.value) + repr(refused.value)


def test_an_empty_variable_is_not_set(folder: Path) -> None:
    said = run_command(make_environment(folder, signing_key=""), "keys", "list")
    assert "SIGNING_KEY" not in said


def test_a_key_is_not_shown_with_the_settings(folder: Path) -> None:
    settings = settings_from(make_environment(folder, signing_key=pem(P256)))
    assert pem(P256).splitlines()[1][:20] not in f"{settings!r} {settings} {settings.model_dump()}"


@pytest.mark.parametrize(
    "line",
    [
        pem(P256).replace("\n", "\\n"),
        '"' + pem(P256).replace("\n", "\\n") + '"',
        "'" + pem(P256).replace("\n", "\\n") + "'",
        '"' + pem(P256) + '"',
    ],
    ids=["escaped", "in double quotes", "in single quotes", "of several lines"],
)
def test_env_has_a_key_in_one_line_or_in_quotes(folder: Path, line: str) -> None:
    (folder / ".env").write_text(f"KEYSTEAD_SIGNING_KEY={line}\n")
    [key] = Settings().private_keys()
    assert public(key) == public(P256)


def test_a_file_has_the_key(folder: Path) -> None:
    (folder / "key.pem").write_text(pem(P256) + pem(RSA))
    environment = make_environment(folder, signing_key_file=str(folder / "key.pem"))
    said = run_command(environment, "keys", "list")
    assert said.index("ES256") < said.index("RS256") < said.index("EdDSA")


def test_an_rsa_key_that_signs_slowly_is_refused() -> None:
    large = pem(rsa.generate_private_key(65_537, 4_160))
    with pytest.raises(ValueError, match="an RSA key of more than 4,096 bits"):
        read_private_keys(large)
