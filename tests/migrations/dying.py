"""A migrator that is killed after one of its statements."""

import os
import signal
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

READS = ("SELECT", "PRAGMA", "SHOW", "DESCRIBE", "DESC ", "SET ")
SECONDS = 60

# This process has imported everything: forks of it start at once, and have no threads.
_context = get_context("forkserver")
_context.set_forkserver_preload(["tests.migrations.dying", "app.models", "alembic.command"])


def migrate(
    folder: Path,
    way: str,
    revision: str,
    after: int = 0,
    *,
    pause: float = 0,
    noted: Path | None = None,
) -> int:
    """Migrate in a process of its own, killed `pause` seconds after its n-th change (0: never).

    `way`: upgrade or downgrade. Returns the number of executed statements that change something;
    `noted`: a file that grows by a byte with each.
    """
    from tests.databases import database_url

    noted = noted or folder / "statements"
    noted.write_bytes(b"")
    arguments = (database_url(folder), way, revision, after, pause, noted)
    process = _context.Process(target=_run, args=arguments)
    process.start()
    process.join(SECONDS)
    assert process.exitcode == (-signal.SIGKILL if after else 0), f"exit code {process.exitcode}"
    return len(noted.read_bytes())


def _run(database: str, way: str, revision: str, after: int, pause: float, noted: Path) -> None:
    from alembic import command

    from tests.migrations.history import config

    executed = 0

    @event.listens_for(Engine, "after_cursor_execute")
    def die(_: Any, __: Any, statement: str, *___: Any) -> None:
        nonlocal executed
        if statement.lstrip().upper().startswith(READS):
            return
        executed += 1
        with noted.open("ab") as file:
            file.write(b".")
        if executed == after:
            time.sleep(pause)
            os.kill(os.getpid(), signal.SIGKILL)

    getattr(command, way)(config(database), revision)
