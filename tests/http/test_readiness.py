"""The readiness probe, while the database or the process has no time for it."""

import asyncio
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.database import limits
from app.health import ReadinessCheck
from app.jobs import JOBS
from app.models import TABLES
from app.resources import open_probe_database, open_resources
from app.settings.model import Settings
from app.tick.runner import Runner
from tests.service import in_process, make_environment, run_command, settings_from


def test_a_busy_process_is_ready(tmp_path: Path) -> None:
    """All connections of the pool are in use; one is waited for, for half a minute."""
    with in_process(tmp_path, database_connections="3") as service, ExitStack() as stack:
        assert isinstance(service.client, TestClient)
        portal = service.client.portal
        assert portal is not None
        resources = service.client.app_state["resources"]
        for _ in range(3):
            transaction = portal.wrap_async_context_manager(resources.database.transaction())
            portal.call(stack.enter_context(transaction).connection)
        assert resources.database.engine.pool.checkedout() == 3
        answer = service.client.get("/health/ready")
        assert answer.json() == {"status": "ok", "reason": None, "warnings": []}


async def ask(settings: Settings, probes: int) -> set[tuple[str, str | None]]:
    """Return what each of some simultaneous probes hears."""
    async with (
        open_resources(settings) as resources,
        open_probe_database(settings, resources) as probe,
    ):
        check = ReadinessCheck(Runner(resources, JOBS), probe, TABLES)
        # Until the driver gives up the connection.
        async with asyncio.timeout(limits.CONNECT_SECONDS):
            found = await asyncio.gather(*[check.ask() for _ in range(probes)])
        return {(one.status, one.reason) for one in found}


@pytest.mark.only("sqlite")
def test_simultaneous_probes_share_one_connection(tmp_path: Path) -> None:
    environment = make_environment(tmp_path)
    run_command(environment, "migrate")
    assert asyncio.run(ask(settings_from(environment), 50)) == {("ok", None)}


@pytest.mark.only("sqlite")
def test_a_probe_does_not_wait_for_a_scrape(settings: Settings) -> None:
    async def probe_meanwhile() -> str | None:
        async with (
            open_resources(settings) as resources,
            open_probe_database(settings, resources) as probe,
            probe.transaction() as scrape,
        ):
            await scrape.connection()
            return (await ReadinessCheck(Runner(resources, JOBS), probe, TABLES).ask()).reason

    assert asyncio.run(probe_meanwhile()) is None


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("driver", ["postgresql", "mysql"])
def test_a_frozen_server_is_reported_before_the_probe_gives_up(tmp_path: Path, driver: str) -> None:
    """It accepts connections, as its kernel does, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        url = f"{driver}://someone:secret@127.0.0.1:{frozen.getsockname()[1]}/keystead"
        settings = settings_from(make_environment(tmp_path, database_url=url))
        [(status, reason)] = asyncio.run(ask(settings, 20))
    assert status == "unavailable"
    assert "has not answered within 0.8 seconds" in str(reason)
