"""`keystead keys`: the keys that sign access tokens, in a list or in PEM, and new ones."""

import secrets
import sys
from enum import StrEnum
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as new_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as new_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.table import Table

from app.cli.console import Failure, out
from app.crypto.access_tokens import SigningKey, signing_keys
from app.settings.model import Settings
from app.settings.private_keys import PrivateKey

RSA_BITS = 3_072
SECRET_BYTES = 48

keys = typer.Typer(help="Show and make keys.", no_args_is_help=True)


class Kind(StrEnum):
    secret = "secret"  # noqa: S105
    ed25519 = "ed25519"
    p256 = "p256"
    rsa = "rsa"


@keys.command("list")
def show() -> None:
    """List the keys of access tokens, by the ids that other services see."""
    # In a terminal of 80 columns no id may be cut short.
    table = Table("Id", "Alg", "From", "Use")
    for number, (key, source) in enumerate(_keys(Settings())):
        table.add_row(key.id, key.algorithm, source, "signs" if number == 0 else "verifies")
    out.print(table)


# An id may begin with a hyphen.
@keys.command(context_settings={"ignore_unknown_options": True})
def export(
    key_id: Annotated[
        str | None,
        typer.Argument(help="Of `keystead keys list`; by default that of the key that signs."),
    ] = None,
) -> None:
    """Print the private key of an id in PEM, as KEYSTEAD_SIGNING_KEY takes it."""
    for key, _ in _keys(Settings()):
        if key_id in (None, key.id):
            _print_private_key(key.private)
            return
    raise Failure(f"there is no key {key_id}: `keystead keys list` shows the ids")


@keys.command()
def new(
    kind: Annotated[
        Kind,
        typer.Argument(help="`secret` for KEYSTEAD_SECRET_KEY, others for KEYSTEAD_SIGNING_KEY."),
    ] = Kind.secret,
) -> None:
    """Print a new random key. Nothing is stored."""
    if kind is Kind.secret:
        sys.stdout.write(f"{secrets.token_urlsafe(SECRET_BYTES)}\n")
    else:
        _print_private_key(_new_private_key(kind))


def _keys(settings: Settings) -> list[tuple[SigningKey, str]]:
    """Return the keys of access tokens, each with the setting that gives it; the first signs."""
    given = settings.private_keys()
    given_ids = {SigningKey.of(key).id for key in given}
    return [
        (key, "SIGNING_KEY" if key.id in given_ids else "SECRET_KEY")
        for key in signing_keys(given, settings.secret_keys())
    ]


def _new_private_key(kind: Kind) -> PrivateKey:
    if kind is Kind.rsa:
        return new_rsa_key(public_exponent=65_537, key_size=RSA_BITS)
    return new_ec_key(SECP256R1()) if kind is Kind.p256 else Ed25519PrivateKey.generate()


def _print_private_key(key: PrivateKey) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    sys.stdout.write(pem.decode())
