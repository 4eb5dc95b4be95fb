"""Fixtures and options of all tests."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from app.resources import Resources, open_resources
from app.settings.model import Settings
from tests import cells, databases, scratch
from tests.aws.service import in_lambda
from tests.databases import copy_database
from tests.databases.pgbouncer import pgbouncer
from tests.scheduler import ByService, slowest_first
from tests.service import (
    Service,
    in_process,
    make_environment,
    over_tcp,
    run_command,
    settings_from,
)

POOLER = pytest.StashKey[str]()
"""The URL of this run's pooler."""

# tox -e infra, clients and browser run them in environments of their own.
collect_ignore = [
    "infra",
    *([] if "KEYSTEAD_TEST_TOOLS" in os.environ else ["clients"]),
    *([] if find_spec("playwright") else ["browser"]),
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=databases.KINDS, default="sqlite", help="what to run on")
    parser.addoption("--pooler", choices=["session", "transaction"], help="PgBouncer, in this mode")
    parser.addoption("--cells", choices=cells.CHOICES, default="all", help="see tests/cells.py")
    parser.addoption("--cases", type=Path, help="a file for the number of cases that were tried")


def pytest_configure(config: pytest.Config) -> None:
    """Start the server of this run; the workers of a parallel run share their parent's."""
    scratch.use_memory()
    given = getattr(config, "workerinput", {}).get("database_url")
    name = config.getoption("database")
    server = databases.KINDS[name](given) if given else databases.open_server(name)
    server.__enter__()
    config.add_cleanup(lambda: server.__exit__(None, None, None))
    databases.use(server)
    mode = config.getoption("pooler")
    if mode is not None:
        pooler = getattr(config, "workerinput", {}).get("pooler_url")
        if pooler is None:
            # In session mode each of our connections holds one: two workers have 44.
            running = pgbouncer(server.address, mode, default_pool_size="50")
            pooler = running.__enter__()
            config.add_cleanup(partial(_close, running))
        databases.use_pooler(pooler, mode)
        config.stash[POOLER] = pooler


def _close(running: AbstractContextManager[str]) -> None:
    running.__exit__(None, None, None)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["database_url"] = databases.server().address
    node.workerinput["pooler_url"] = node.config.stash.get(POOLER, None)


def pytest_report_header() -> str:
    server = databases.server()
    return f"database: {server.version} at {server.address}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByService:
    """With `--dist loadscope`: start each service and each file's fixtures in one worker only."""
    return ByService(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that are about other databases, and the cells that are left out."""
    database = config.getoption("database")
    cell_of = cells.CHOICES[config.getoption("--cells")]
    for item in list(items):
        only = item.get_closest_marker("only")
        if (only is not None and database not in only.args) or not cell_of(item, database):
            items.remove(item)
            config.hook.pytest_deselected(items=[item])
    items.sort(key=slowest_first)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Write the number of cases of each row of a matrix."""
    noted = config.getoption("cases")
    if noted is not None:
        tried: Counter[str] = Counter()
        for report in terminalreporter.stats.get("passed", []):
            tried.update({row: n for name, (row, n) in report.user_properties if name == "cases"})
        noted.write_text(json.dumps({"server": databases.server().version, "cases": tried}))


Cases = Callable[[str, int], None]

RUNS: dict[str, Callable[..., AbstractContextManager[Service]]] = {
    "in-process": in_process,
    "tcp": partial(over_tcp, workers=2),
    "lambda": in_lambda,
}


@pytest.fixture(scope="session", params=RUNS)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A running Keystead: in this process, over TCP with two workers, in Lambda's runtime."""
    with RUNS[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture(scope="session", params=["in-process"])
def strict_service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """One with verified addresses required, a setting that every transport reads alike."""
    folder = tmp_path_factory.mktemp("strict")
    settings = dict.fromkeys(("tick_token", "metrics_token", "service_token"), "")
    settings |= {"require_verified": "true"}
    with RUNS[request.param](folder, **settings) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose database is empty and at head, to copy."""
    folder = tmp_path_factory.mktemp("migrated")
    run_command(make_environment(folder), "migrate")
    return folder


@pytest.fixture
def desk(tmp_path: Path, migrated: Path) -> Path:
    """A folder with a database at head of the test's own."""
    return copy_database(migrated, tmp_path)


@pytest.fixture
def settings(desk: Path, folder: Path) -> Settings:
    """Settings whose database is at head, and whose files are in `folder`."""
    return settings_from(make_environment(desk))


@pytest.fixture
def in_resources(settings: Settings) -> Callable[[Callable[[Resources], Awaitable[Any]]], Any]:
    """Run a coroutine function with resources made of `settings`."""

    def run(work: Callable[[Resources], Awaitable[Any]]) -> Any:
        async def with_resources() -> Any:
            async with open_resources(settings) as resources:
                return await work(resources)

        return asyncio.run(with_resources())

    return run


@pytest.fixture
def cases(record_property: Callable[[str, object], None]) -> Cases:
    """Record the number of cases of a matrix row (a, b, c, …) that a test has tried."""

    def note(row: str, number: int) -> None:
        assert number > 0
        record_property("cases", [row, number])

    return note
