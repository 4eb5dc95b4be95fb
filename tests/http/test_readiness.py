"""The readiness probe, while the database or the process has no time for it."""

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from app.health import ReadinessCheck
from app.jobs import JOBS
from app.resources import open_probe_database, open_resources
from app.settings.model import Settings
from app.tick.runner import Runner
from tests.service import make_environment, run_command, settings_from


def ask(settings: Settings, probes: int = 1, *, busy: bool = False) -> set[tuple[str, str | None]]:
    """Return what each of some simultaneous probes hears; `busy`: while the pool is in use."""

    async def run() -> set[tuple[str, str | None]]:
        async with AsyncExitStack() as stack:
            resources = await stack.enter_async_context(open_resources(settings))
            probe = await stack.enter_async_context(open_probe_database(settings, resources))
            check = ReadinessCheck(Runner(resources, JOBS), probe)
            for _ in range(settings.database_connections * busy):
                transaction = resources.database.transaction()
                session = await stack.enter_async_context(transaction)
                await session.connection()
            # Five seconds, of those that a connection of the pool is waited for (30).
            async with asyncio.timeout(5):
                found = await asyncio.gather(*[check.ask() for _ in range(probes)])
            return {(one.status, one.reason) for one in found}

    return asyncio.run(run())


def test_a_busy_process_is_ready(tmp_path: Path) -> None:
    environment = make_environment(tmp_path, database_connections="3")
    run_command(environment, "migrate")
    settings = settings_from(environment)
    assert settings.database_connections == 3
    assert ask(settings, busy=True) == {("ok", None)}
    assert ask(settings, 50) == {("ok", None)}


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("driver", ["postgresql", "mysql"])
def test_a_frozen_server_is_reported_before_the_probe_gives_up(tmp_path: Path, driver: str) -> None:
    """It accepts connections, as its kernel does, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        url = f"{driver}://someone:secret@127.0.0.1:{frozen.getsockname()[1]}/keystead"
        settings = settings_from(make_environment(tmp_path, database_url=url))
        [(status, reason)] = ask(settings, 20)
    assert status == "unavailable"
    assert "has not answered within 0.8 seconds" in str(reason)
