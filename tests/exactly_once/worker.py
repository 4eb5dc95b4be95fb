"""A process that delivers an occurrence, and is killed or frozen at one point of the run."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import event

SECONDS = 60

# This process has imported everything: forks of it start at once, and have no threads.
context = get_context("forkserver")
context.set_forkserver_preload([__name__, "app.main", "app.mysql", "app.mail.delivery", "asyncpg"])


class Harm(NamedTuple):
    """The harm, `what`, comes after the n-th point, a statement or a commit; 0: never."""

    after: int
    what: signal.Signals = signal.SIGKILL


UNHARMED = Harm(0)


class Worker:
    """A process that delivers the occurrence of the marking job at a time."""

    def __init__(
        self,
        folder: Path,
        at: datetime | None,
        harm: Harm = UNHARMED,
        *,
        hours_off: int = 0,
    ) -> None:
        from tests.service import make_environment

        self._points = folder / "points"
        self._points.write_bytes(b"")
        arguments = (make_environment(folder), at, harm, hours_off, self._points)
        self._process: BaseProcess = context.Process(target=_deliver, args=arguments)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def points(self) -> list[str]:
        """The points it has passed, in order."""
        return self._points.read_text().splitlines()

    def wait(self) -> int:
        """Wait for its end; return the exit code, negative for a signal."""
        self._process.join(SECONDS)
        assert self._process.exitcode is not None, f"it hangs after {self.points}"
        return self._process.exitcode

    def wait_until_frozen(self) -> None:
        """Wait until it has frozen itself."""
        # A grandchild: waitpid does not work for it.
        state, deadline = "", time.monotonic() + SECONDS
        while state != "T":
            assert time.monotonic() < deadline, f"it runs on after {self.points}"
            time.sleep(0.005)
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.join(SECONDS)


def _deliver(
    environment: Mapping[str, str],
    at: datetime | None,
    harm: Harm,
    hours_off: int,
    points: Path,
) -> None:
    import time_machine

    from app import clock

    with time_machine.travel(clock.now() + timedelta(hours=hours_off), tick=True):
        asyncio.run(_run(environment, at, harm, points))


async def _run(
    environment: Mapping[str, str], at: datetime | None, harm: Harm, points: Path
) -> None:
    from app.resources import open_resources
    from app.tick.runner import Runner
    from tests.exactly_once.effects import JOB
    from tests.service import settings_from

    async with open_resources(settings_from(environment)) as resources:
        engine = resources.database.engine.sync_engine
        passed = 0

        def pass_point(name: str) -> None:
            nonlocal passed
            passed += 1
            with points.open("a") as file:
                file.write(f"{name}\n")
            if passed == harm.after:
                os.kill(os.getpid(), harm.what)

        @event.listens_for(engine, "after_cursor_execute")
        def executed(_: Any, __: Any, statement: str, *___: Any) -> None:
            pass_point(" ".join(statement.split()[:3]))

        commit = engine.dialect.do_commit

        def committed(connection: Any) -> None:
            commit(connection)
            pass_point("COMMIT")

        setattr(engine.dialect, "do_commit", committed)  # noqa: B010, mypy refuses the assignment
        await Runner(resources, [JOB]).tick("worker", at)
