"""The databases of the tests: real servers, started by the run.

Each test folder has a database of its own on the server of this run, created at its first use; on
SQLite it is a file in the folder.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from tests.databases import server as _server
from tests.databases.mysql import MariaDb, Mysql
from tests.databases.postgres import Postgres
from tests.databases.server import Server, execute
from tests.databases.sqlite import Sqlite

KINDS: dict[str, type[Server]] = {kind.name: kind for kind in (Sqlite, Postgres, Mysql, MariaDb)}

_current: Server
_pooler: tuple[str, str] | None = None


def open_server(name: str) -> Server:
    """Return the server of kind `name`: the one at TEST_<NAME>_URL, or one that is started."""
    return KINDS[name](os.environ.get(f"TEST_{name.upper()}_URL", ""))


def use(server: Server) -> None:
    """Use `server`, which is running, in this process."""
    global _current
    _current = server


@contextmanager
def using(server: Server) -> Iterator[None]:
    """Use another server, which is running, for the block."""
    before = _current
    use(server)
    try:
        yield
    finally:
        use(before)


def server() -> Server:
    """Return the server of this run."""
    return _current


def database_url(folder: Path) -> str:
    """Return the URL of the folder's database; create it empty if it does not exist."""
    name = _current.name_for(folder)
    if name not in _current.made:
        _current.create(name)
    return _current.url(name)


def use_pooler(url: str, mode: str) -> None:
    """Use the pooler at `url`, in front of the server of this run, for connection_settings."""
    global _pooler
    _pooler = (url, mode)


def connection_settings(folder: Path) -> dict[str, str]:
    """Return Keystead's settings for the folder's database: through this run's pooler, if any."""
    url = database_url(folder)
    if _pooler is None:
        return {"database_url": url}
    pooler, mode = _pooler
    through = make_url(pooler).set(database=make_url(url).database)
    return {
        "database_url": through.render_as_string(hide_password=False),
        "database_pooler": mode,
        "migrate_database_url": url,
    }


def copy_database(source: Path, folder: Path) -> Path:
    """Copy the database of `source`, which must be unused, for `folder`. Returns `folder`."""
    _current.copy(_current.name_for(source), _current.name_for(folder))
    return folder


def drop_database(folder: Path) -> None:
    """Drop the folder's database."""
    _current.drop(_current.name_for(folder))


def in_database(folder: Path, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
    """Execute one statement on the folder's database, commit, and return its rows."""
    return execute(database_url(folder), statement, **parameters)


def holding(folder: Path, *statements: str) -> AbstractContextManager[None]:
    """Execute `statements` on a connection to the folder's database, open for the block."""
    return _server.holding(database_url(folder), *statements)
