"""g: the connection to the database is cut at each message of a run, commits included.

SQLite has no connection: test_kills.py kills its process.
"""

import asyncio
from pathlib import Path

import pytest

from app.errors import DatabaseUnavailable
from app.resources import open_resources
from app.tick.runner import Runner
from tests.conftest import Cases
from tests.databases import copy_database
from tests.exactly_once.conftest import Run, with_runner
from tests.exactly_once.effects import JOB, at, effects, let_time_pass, states
from tests.exactly_once.proxy import Where, cut_at

pytestmark = pytest.mark.only("postgres", "mysql", "mariadb")


async def deliver_over_a_cut(folder: Path, n: int, where: Where) -> bool:
    """Deliver the occurrence after noon; return whether the n-th message was reached."""
    async with cut_at(n, where, folder) as (settings, cut):
        async with open_resources(settings) as resources:
            try:
                await Runner(resources, [JOB]).run(JOB, at(1), "test")
            except (DatabaseUnavailable, OSError):
                pass
        return cut.done


@pytest.mark.timeout(300)
@pytest.mark.parametrize("where", ["before", "after"])
def test_cut_at_each_message(
    desk: Path, run: Run, cases: Cases, where: Where, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run(desk, at(0))
    tried, ends = 0, set()
    while True:
        folder = copy_database(desk, tmp_path_factory.mktemp("at"))
        if not asyncio.run(deliver_over_a_cut(folder, tried + 1, where)):
            break
        tried += 1
        assert set(effects(folder).values()) == {1}
        ends.add(states(folder).get(1, "never begun"))
        with_runner(folder, let_time_pass)
        assert run(folder, at(1)).status in ("done", "replayed")
        assert run(folder, at(1)).status == "replayed"
        assert effects(folder) == {0: 1, 1: 1}
    assert tried > 20
    # The cuts were before the claim, during the work, and after its commit.
    assert {"never begun"} < ends
    # Nothing follows the last commit that could be cut.
    assert "done" in ends or where == "before"
    cases("g", tried)
