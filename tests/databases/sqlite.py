"""SQLite: no server, a file in the test's folder."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.databases.server import Server


class Sqlite(Server):
    """A database is named by its folder."""

    name = "sqlite"
    version = f"SQLite {sqlite3.sqlite_version}"

    address = "a file in each test's folder"

    def name_for(self, folder: Path) -> str:
        return str(folder)

    def url(self, database: str) -> str:
        return f"sqlite:///{database}/keystead.db"

    def create(self, database: str) -> None:
        Path(database).mkdir(parents=True, exist_ok=True)
        self.made.add(database)

    def copy(self, source: str, target: str) -> None:
        self.create(target)
        shutil.copy(f"{source}/keystead.db", target)

    def drop(self, database: str) -> None:
        for path in Path(database).glob("keystead.db*"):
            path.unlink()
        self.made.discard(database)

    def faults(self, database: str) -> list[str]:
        with closing(sqlite3.connect(f"{database}/keystead.db")) as connection:
            said = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
        return [line for line in said if line != "ok"] + [f"orphan: {row}" for row in orphans]

    def stop(self) -> None:
        """The folders belong to the tests that created them."""
