"""Database URLs as operators write them: the driver, and the TLS options."""

import ssl
from importlib.util import find_spec
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.settings.database_hosts import move_hosts, split_servers
from app.settings.urls import refuse_raw_characters

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "mysql": "mysql+aiomysql",
    "mariadb": "mariadb+aiomysql",
}
_EXTRAS = {"asyncpg": "postgres", "aiomysql": "mysql"}
# The names of libpq, MySQL and asyncpg.
_TLS = {
    "ssl": "mode",
    "sslmode": "mode",
    "sslrootcert": "ca",
    "sslcert": "cert",
    "sslkey": "key",
    "ssl_mode": "mode",
    "ssl_ca": "ca",
    "ssl_cert": "cert",
    "ssl_key": "key",
}
_MODES = {
    "disable": "disable",
    "disabled": "disable",
    "allow": "prefer",
    "prefer": "prefer",
    "preferred": "prefer",
    "require": "require",
    "required": "require",
    "verify-ca": "verify-ca",
    "verify-full": "verify-full",
    "verify-identity": "verify-full",
}
_OPTIONS = {
    "aiosqlite": set[str](),
    "asyncpg": {*_TLS, "host", "port", "target_session_attrs"},
    "aiomysql": {*_TLS, "charset", "unix_socket"},
}


def with_driver(url: str) -> str:
    """Return `url` with the driver that Keystead uses.

    Raises ValueError, which never quotes the URL, for a URL that cannot work: an unknown database
    or option, a driver that is not installed, certificates that cannot be read.
    """
    scheme, separator, rest = url.partition(":")
    if not separator:
        raise ValueError("a database URL looks like postgresql://user:password@host/name")
    if scheme not in _DRIVERS and scheme not in _DRIVERS.values():
        raise ValueError(f"unknown database {scheme!r}: use sqlite, postgresql, mysql or mariadb")
    if not scheme.startswith("sqlite"):
        refuse_raw_characters(url)
    try:
        parsed = _parse(f"{_DRIVERS.get(scheme, scheme)}:{rest}")
    except (ArgumentError, ValueError):
        raise ValueError("not a database URL: is its port a number?") from None
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError("a database in memory is gone with its connection: name a file")
    if parsed.get_backend_name() != "sqlite":
        _check_place(parsed)
    driver = parsed.get_driver_name()
    if find_spec(driver) is None:
        raise ValueError(f"{scheme} needs a driver: pip install '.[{_EXTRAS[driver]}]'")
    plain = split_tls_options(parsed)[0]
    if driver == "asyncpg":
        split_servers(plain)
    return parsed.render_as_string(hide_password=False)


def _parse(url: str) -> URL:
    scheme, _, rest = url.partition(":")
    return make_url(f"{scheme}:{move_hosts(rest) if scheme.startswith('postgres') else rest}")


def _check_place(url: URL) -> None:
    """Raise ValueError unless `url` names a server, by host or socket, and a database on it."""
    if not (url.host or url.query.keys() & {"host", "unix_socket"}):
        raise ValueError("the database URL has no host: postgresql://user:password@host/name")
    if "," in (url.host or ""):
        raise ValueError("several hosts in the database URL: PostgreSQL's alone can have them")
    if url.port is not None and not 0 < url.port < 65_536:
        raise ValueError("the port in the database URL is none: 1 to 65535")
    if not url.database or "/" in url.database:
        raise ValueError("the database URL must end with the name of one database: …@host/name")


def with_credentials(url: str, username: str, password: str) -> str:
    """Return `url` with this user and password. Raises ValueError, which never quotes the URL."""
    try:
        parsed = _parse(url)
    except (ArgumentError, ValueError):
        raise ValueError("not a database URL: is its port a number?") from None
    named = parsed.set(username=username or parsed.username, password=password)
    return named.render_as_string(hide_password=False)


def split_tls_options(url: URL) -> tuple[URL, str | None, ssl.SSLContext | None]:
    """Return `url` without its TLS options, the mode they ask for, and the TLS context.

    The mode is `disable`, `prefer`, `require`, `verify-ca` or `verify-full`. Without options it is
    libpq's `prefer` for PostgreSQL, and None, no TLS, for the others. Raises ValueError for unknown
    options and unreadable files.
    """
    given = {name.replace("-", "_"): value for name, value in url.query.items()}
    if unknown := given.keys() - _OPTIONS[url.get_driver_name()]:
        raise ValueError(f"unknown options in the database URL: {', '.join(sorted(unknown))}")
    tls = {_TLS[name]: str(value) for name, value in given.items() if name in _TLS}
    plain = url.set(query={name: value for name, value in given.items() if name not in _TLS})
    if not tls and url.get_driver_name() == "asyncpg":
        tls = {"mode": "prefer"}
    if not tls:
        return plain, None, None
    mode = _MODES.get(tls.get("mode", "require").lower().replace("_", "-"))
    if mode is None:
        raise ValueError(f"unknown TLS mode in the database URL: {', '.join(sorted(set(_MODES)))}")
    if mode == "require" and "ca" in tls:
        # As libpq does: with an authority given, the certificate is verified.
        mode = "verify-ca"
    return plain, mode, None if mode == "disable" else _context(mode, tls)


def _context(mode: str, files: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    if not mode.startswith("verify"):
        context.verify_mode = ssl.CERT_NONE
    try:
        if mode.startswith("verify") and files.get("ca", "system") == "system":
            context.load_default_certs()
        elif mode.startswith("verify"):
            context.load_verify_locations(files["ca"])
        if "cert" in files:
            context.load_cert_chain(files["cert"], files.get("key"))
    except OSError as error:
        named = ", ".join(sorted(value for name, value in files.items() if name != "mode"))
        raise ValueError(f"certificates that cannot be read: {named}: {error.strerror}") from None
    return context
