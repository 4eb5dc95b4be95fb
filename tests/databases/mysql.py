"""Oracle's MySQL, and MariaDB: from PATH, or from Debian's packages."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

from sqlalchemy import URL, text

from tests.databases import debian
from tests.databases.server import OwnServer, open_engine

CACHE = Path(__file__).parents[2] / ".cache"


class _Mysql(OwnServer):
    """The part that both servers share."""

    variable: ClassVar[str]
    daemon: ClassVar[str]

    def prepare(self, folder: Path) -> None:
        self._daemon, self._base = self.find()
        self.initialize(folder)

    def find(self) -> tuple[list[str], Path]:
        """Return the command that runs the server, and the folder of its files."""
        found = shutil.which(self.daemon)
        if found is not None and self.is_ours(_run([found, "--version"])):
            return [found], Path(found).resolve().parents[1]
        try:
            root = self.fetch()
        except debian.PackageUnavailable as error:
            raise RuntimeError(
                f"{error}: install {self.name}'s server ({self.daemon} on PATH), "
                f"or set {self.variable}"
            ) from error
        return debian.command(root, f"usr/sbin/{self.daemon}"), root / "usr"

    def is_ours(self, version: str) -> bool:
        """Return whether the program that prints `version` is this server and not the other."""
        raise NotImplementedError

    def fetch(self) -> Path:
        raise NotImplementedError

    def initialize(self, folder: Path) -> None:
        raise NotImplementedError

    def options(self, folder: Path) -> list[str]:
        return [
            "--no-defaults",
            f"--basedir={self._base}",
            f"--datadir={folder}/data",
            # A server that starts deletes the temporary tables there, also another's.
            f"--tmpdir={folder}",
            *(["--user=root"] if os.geteuid() == 0 else []),
        ]

    def command(self, folder: Path, port: int) -> list[str]:
        tls = ["cert", "key"] if self.certificate is not None else []
        return [
            *self._daemon,
            *self.options(folder),
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={folder}/socket",
            f"--pid-file={folder}/pid",
            "--max-connections=300",
            "--skip-log-bin",
            "--performance-schema=OFF",
            # The tests kill servers, which loses no committed data without these; they cut no
            # power.
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-doublewrite=OFF",
            *(f"--ssl-{part}={self.certificate}" for part in tls),
        ]

    def create(self, database: str) -> None:
        self.ask(f"CREATE DATABASE `{database}`")
        self.made.add(database)

    def copy(self, source: str, target: str) -> None:
        self.create(target)
        asyncio.run(self._copy(source, target))

    async def _copy(self, source: str, target: str) -> None:
        assert self.admin is not None
        engine = open_engine(self.admin.set(database=target))
        async with engine.connect() as connection:
            await connection.execute(text("SET foreign_key_checks = 0"))
            tables = await connection.scalars(text(f"SHOW TABLES FROM `{source}`"))
            for table in tables.all():
                made = await connection.execute(text(f"SHOW CREATE TABLE `{source}`.`{table}`"))
                await connection.exec_driver_sql(made.one()[1].replace("%", "%%"))
                filled = f"INSERT INTO `{table}` SELECT * FROM `{source}`.`{table}`"
                await connection.execute(text(filled))
        await engine.dispose()

    def drop(self, database: str) -> None:
        self.ask(f"DROP DATABASE IF EXISTS `{database}`")
        self.made.discard(database)

    def faults(self, database: str) -> list[str]:
        tables = ", ".join(f"`{row[0]}`" for row in self.ask("SHOW TABLES", database))
        said = self.ask(f"CHECK TABLE {tables} EXTENDED", database)
        return [str(row) for row in said if row[3] != "OK"]


class Mysql(_Mysql):
    name = "mysql"
    daemon = "mysqld"
    variable = "TEST_MYSQL_URL"

    def is_ours(self, version: str) -> bool:
        return "MariaDB" not in version

    def fetch(self) -> Path:
        # Debian has it in its unstable release alone; Ubuntu has it in each.
        if debian.distribution() == "debian":
            return debian.unpack("mysql", ["mysql-server-core"], CACHE, suite="sid")
        return debian.unpack("mysql", ["mysql-server-core-8.0"], CACHE)

    def initialize(self, folder: Path) -> None:
        _run([*self._daemon, *self.options(folder), "--initialize-insecure"])

    def options(self, folder: Path) -> list[str]:
        return [
            *super().options(folder),
            f"--lc-messages-dir={self._base}/share/mysql",
            "--secure-file-priv=NULL",
            # It offers TLS if asked to, like the others.
            "--auto-generate-certs=OFF",
        ]

    def command(self, folder: Path, port: int) -> list[str]:
        return [*super().command(folder, port), "--mysqlx=OFF"]

    def admin_url(self, port: int) -> URL:
        return URL.create("mysql", "root", None, "127.0.0.1", port)

    def read_version(self) -> str:
        return f"MySQL {self.ask('SELECT version()')[0][0]}"


class MariaDb(_Mysql):
    name = "mariadb"
    daemon = "mariadbd"
    variable = "TEST_MARIADB_URL"

    def is_ours(self, version: str) -> bool:
        return "MariaDB" in version

    def fetch(self) -> Path:
        return debian.unpack("mariadb", ["mariadb-server-core"], CACHE)

    def initialize(self, folder: Path) -> None:
        (folder / "data").mkdir()
        statements = ["CREATE DATABASE mysql;", "USE mysql;", "SET @auth_root_socket = NULL;"]
        for name in ("system_tables", "performance_tables", "system_tables_data"):
            [path] = [
                path
                for prefix in ("mariadb", "mysql")
                for path in [self._base / f"share/mysql/{prefix}_{name}.sql"]
                if path.exists()
            ][:1]
            statements.append(path.read_text())
        _run(
            [*self._daemon, *self.options(folder), "--bootstrap", "--log-warnings=0"],
            "\n".join(statements),
        )

    def options(self, folder: Path) -> list[str]:
        return [*super().options(folder), f"--lc-messages-dir={self._base}/share/mysql"]

    def admin_url(self, port: int) -> URL:
        return URL.create("mariadb", "root", None, "127.0.0.1", port)

    def read_version(self) -> str:
        return f"MariaDB {self.ask('SELECT version()')[0][0]}"


def _run(command: list[str], stdin: str = "") -> str:
    done = subprocess.run(
        command,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-2_000:]}")
    return done.stdout
