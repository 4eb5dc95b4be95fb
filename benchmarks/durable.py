"""The tests' database servers with durable commits, which is their default."""

import os
from pathlib import Path

from tests.databases.mysql import MariaDb, Mysql
from tests.databases.postgres import Postgres
from tests.databases.server import Server
from tests.databases.sqlite import Sqlite


class _Postgres(Postgres):
    def command(self, folder: Path, port: int) -> list[str]:
        return [*super().command(folder, port), "-c", "fsync=on", "-c", "full_page_writes=on"]


_INNODB = ("--innodb-flush-log-at-trx-commit=1", "--innodb-doublewrite=ON")


class _Mysql(Mysql):
    def command(self, folder: Path, port: int) -> list[str]:
        return [*super().command(folder, port), *_INNODB]


class _MariaDb(MariaDb):
    def command(self, folder: Path, port: int) -> list[str]:
        return [*super().command(folder, port), *_INNODB]


KINDS: dict[str, type[Server]] = {kind.name: kind for kind in (Sqlite, _Postgres, _Mysql, _MariaDb)}


def open_server(name: str) -> Server:
    """Return the server of kind `name`: the one at TEST_<NAME>_URL, or one that is started."""
    return KINDS[name](os.environ.get(f"TEST_{name.upper()}_URL", ""))
