"""asyncpg's connection, for which nothing is read from the home folder."""

import os
import ssl
from typing import Any

import asyncpg

_REFUSED_WITH_TLS = "28000"  # by the server's rules, which may allow plain text


async def connect(
    *, tls: ssl.SSLContext | None, is_tls_optional: bool = False, **options: Any
) -> asyncpg.Connection:
    """Connect as asyncpg does, with `tls` (None: in plain text), but to no file of its own choice.

    If `is_tls_optional`, a server that declines it is connected to in plain text. asyncpg does so
    too, but looks for certificates in ~/.postgresql meanwhile, and fails if it may not.
    """
    if options.get("password") is None and not {"PGPASSWORD", "PGPASSFILE"} & os.environ.keys():
        options["password"] = ""  # or it is looked for in ~/.pgpass
    try:
        return await asyncpg.connect(ssl=tls or False, **options)
    except (ConnectionError, ssl.SSLError, asyncpg.PostgresError) as error:
        if not is_tls_optional or not _may_do_without(error):
            raise
    return await asyncpg.connect(ssl=False, **options)


def _may_do_without(error: Exception) -> bool:
    """Return whether a connection without TLS may succeed."""
    if isinstance(error, asyncpg.PostgresError):
        return bool(error.sqlstate == _REFUSED_WITH_TLS)
    return not isinstance(error, ConnectionRefusedError)
