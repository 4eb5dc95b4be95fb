"""What the text of a setting must be. Each function returns it, or raises ValueError."""

import re
import ssl
from email.errors import InvalidHeaderDefect
from email.headerregistry import HeaderRegistry
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import HttpUrl, SecretStr, TypeAdapter

from app.settings.urls import refuse_raw_characters

_PLAIN_PATH = re.compile(r"(/[\w.~-]+)*")
_MAIL_SCHEMES = ("file", "console", "smtp", "smtps")

# fmt: off
ROUTES = frozenset((
    ".well-known", "admin", "auth", "docs", "health", "metrics", "openapi.json", "reset-password",
    "static", "swagger", "tick", "users", "verify",
))
# fmt: on
"""The first segments of our routes' paths."""


def mail_url(url: str) -> str:
    """Return `url`, if it names a way for mail to leave."""
    scheme, _, rest = url.partition(":")
    if scheme not in _MAIL_SCHEMES:
        raise ValueError("a mail URL begins with file:, console:, smtp:// or smtps://")
    if scheme == "file" and not rest.removeprefix("//"):
        raise ValueError("name a folder: file:./var/mail")
    if scheme in ("smtp", "smtps"):
        refuse_raw_characters(url)
    if scheme in ("smtp", "smtps") and not _names_a_server(url):
        raise ValueError(
            "a mail server's URL looks like smtp://user:password@host:587, "
            "special characters of the password as %XX"
        )
    return url


def _names_a_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        whole = parts.path in ("", "/") and not parts.query
        return bool(parts.hostname) and parts.port != 0 and whole
    except ValueError:
        return False


def sender(text: str) -> str:
    """Return `text`, if it is one address, perhaps with a name (RFC 5322, section 3.4)."""
    header: Any = HeaderRegistry()("From", text)
    wrong = any(isinstance(defect, InvalidHeaderDefect) for defect in header.defects)
    if wrong or len(header.addresses) != 1 or not header.addresses[0].domain:
        raise ValueError("a sender looks like Keystead <keystead@example.org>")
    if not text.isprintable():
        raise ValueError("a sender without control characters")
    return text


_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")


def host(text: str) -> str:
    """Return the host's name (RFC 1123), or its address without brackets (RFC 5321, 4.1.3)."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1].removeprefix("IPv6:")
    try:
        return str(ip_address(text))
    except ValueError:
        if len(text) > 253 or not _HOST.fullmatch(text):
            raise ValueError("a host's name in ASCII, as id.example.org, or an address") from None
    return text


def certificates(path: str) -> str:
    """Return the path of a file, if it has certificates in PEM."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        raise ValueError(f"no certificates can be read from {path}: {error.strerror}") from None
    return path


def base_url(url: str) -> str:
    """Return `url` in ASCII, to append paths to."""
    # In ASCII: a host in another script gets its xn-- form.
    parsed = TypeAdapter(HttpUrl).validate_python(url)
    if parsed.query is not None or parsed.fragment is not None or parsed.username is not None:
        raise ValueError("an address that others can be appended to: without user, ? and #")
    path = unquote(parsed.path or "").rstrip("/")
    if not _PLAIN_PATH.fullmatch(path):
        raise ValueError("a path of letters, digits, . _ ~ and -, with one slash before each part")
    if path and path.split("/")[1] in ROUTES:
        # /auth/verify would be both the page /verify below /auth, and our own /auth/verify.
        raise ValueError(f"routes of ours begin with {path} too: choose another path")
    return str(parsed).rstrip("/")


def origin(text: str) -> str:
    """Return an origin as browsers send it: in lower case and ASCII, without a default port."""
    try:
        parts = urlsplit(text)
        parsed = TypeAdapter(HttpUrl).validate_python(text)
        if text != f"{parts.scheme}://{parts.netloc}" or {"@", "*"} & set(parts.netloc):
            raise ValueError
    except ValueError:
        # A password may stand before the @.
        shown = text.rpartition("@")[2]
        raise ValueError(
            f"{shown!r} is no origin. One looks like https://app.example.org, with a port where it "
            "is not 443: no user, no path, no slash at its end, neither * nor null. "
            "Separate several with commas"
        ) from None
    return str(parsed).rstrip("/")


def one_word(secret: SecretStr) -> SecretStr:
    """Return `secret`, unless white space is in it: files and forms add and drop that."""
    text = secret.get_secret_value()
    if not text.isprintable() or any(character.isspace() for character in text):
        raise ValueError("white space or a control character within the secret")
    return secret


def secret_keys(secret: SecretStr) -> SecretStr:
    """Return the keys of a comma-separated list, without blanks around them."""
    keys = [SecretStr(key) for key in split_list(secret.get_secret_value())]
    return SecretStr(",".join(one_word(key).get_secret_value() for key in keys))


def private_keys(pem: SecretStr) -> SecretStr:
    """Return `pem`, if it has private keys that can sign access tokens."""
    # Few installations have one, and cryptography takes time to import.
    from app.settings.private_keys import read_private_keys

    read_private_keys(pem.get_secret_value())
    return pem


def audience(text: str) -> str:
    """Return `text`, if it is one audience: other settings take a list."""
    if re.search(r"[\s,]", text):
        raise ValueError("one audience, as https://api.example.org, without blanks and commas")
    return text


def split_list(text: str) -> list[str]:
    """Return the parts of a comma-separated list, without blanks around them."""
    return [part for part in (part.strip() for part in text.split(",")) if part]


def bearer_token(secret: SecretStr) -> SecretStr:
    """Return `secret`, if a header can carry it (RFC 6750, section 2.1)."""
    if not secret.get_secret_value().isascii():
        raise ValueError("a token has only ASCII characters: a header cannot carry others")
    return one_word(secret)
