"""A primary and a standby: the one that takes writes is found, and found again."""

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from app.database.engine import Database
from app.errors import DatabaseUnavailable
from app.settings.database_url import with_driver
from tests.database.traffic import Traffic
from tests.databases.postgres import Postgres, Standby
from tests.databases.server import execute, free_port
from tests.service import Server, get, make_environment

pytestmark = pytest.mark.only("postgres")

CLIENTS = 8


@pytest.fixture(scope="module")
def primary() -> Iterator[Postgres]:
    with Postgres() as own:
        own.create("keystead")
        yield own


@pytest.fixture(scope="module")
def standby(primary: Postgres) -> Iterator[Standby]:
    with Standby(primary) as own:
        yield own


def write(url: str, times: int = 1) -> None:
    """Write in transactions, each on a connection of its own."""

    async def work() -> None:
        async with Database(with_driver(url)) as database:
            for _ in range(times):
                async with database.transaction() as session:
                    await session.execute(text("CREATE TABLE IF NOT EXISTS written (n integer)"))
                    await session.invalidate()

    asyncio.run(work())


def test_a_folder_of_a_socket_is_a_host(primary: Postgres) -> None:
    folder, port = primary.folder, primary.port
    quoted = str(folder).replace("/", "%2F")
    write(f"postgresql://postgres@{quoted}:{port}/keystead")
    write(f"postgresql://postgres@/keystead?host={folder}&port={port}")
    write(f"postgresql://postgres@127.0.0.1:1,{quoted}:{port}/keystead")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres@127.0.0.1:{s},127.0.0.1:{p}/keystead?target_session_attrs=read-write",
        "postgresql://postgres@127.0.0.1:{s},127.0.0.1:{p}/keystead?target_session_attrs=primary",
        "postgresql://postgres@127.0.0.1:{s},127.0.0.1:{p}/keystead",
        "postgresql+asyncpg://postgres@/keystead?host=127.0.0.1:{s}&host=127.0.0.1:{p}",
        "postgresql://postgres@/keystead?host=127.0.0.1,127.0.0.1&port={s},{p}",
        "postgresql://postgres@localhost:1,127.0.0.1:{s},127.0.0.1:{p}/keystead?sslmode=prefer",
    ],
)
def test_the_standby_is_passed_over(primary: Postgres, standby: Standby, url: str) -> None:
    write(url.format(s=standby.port, p=primary.port), times=3)


def test_a_standby_alone_is_refused_with_its_name(standby: Standby) -> None:
    url = f"postgresql://postgres@127.0.0.1:1,127.0.0.1:{standby.port}/keystead"
    with pytest.raises(DatabaseUnavailable, match=f"no host takes writes: .*:{standby.port}"):
        write(url)


def test_a_wrong_user_is_reported_as_such(primary: Postgres) -> None:
    """So that a rotated password is read again."""
    url = f"postgresql://nobody@127.0.0.1:{primary.port},127.0.0.1:1/keystead"
    with pytest.raises(DatabaseUnavailable, match="nobody"):
        write(url)


def test_a_silent_host_is_asked_once(primary: Postgres) -> None:
    """Its machine is gone, and no answer tells of it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        gone = silent.getsockname()[1]
        write(f"postgresql://postgres@127.0.0.1:{gone},127.0.0.1:{primary.port}/keystead", times=3)
        silent.accept()[0].close()
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_a_failover_loses_no_answered_registration(
    tmp_path: Path, primary: Postgres, standby: Standby
) -> None:
    """The primary is killed under load, its standby promoted; the URL names both."""
    primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.ask("SELECT pg_reload_conf()")
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    url = f"postgresql://postgres@{hosts}/keystead?target_session_attrs=read-write"
    environment = make_environment(tmp_path, database_url=url, tick_seconds="1")
    with (
        Server(environment, free_port(), 1, tmp_path / "log") as running,
        ThreadPoolExecutor(CLIENTS) as threads,
    ):
        traffic = Traffic(running.url)
        clients = [threads.submit(traffic.register) for _ in range(CLIENTS)]
        try:
            traffic.wait_for_more(traffic.kept)
            primary.kill()
            killed = time.monotonic()
            traffic.wait_for_more(traffic.refused)
            assert get(f"{running.url}/health/ready").status_code == 503
            standby.promote()
            promoted = time.monotonic()
            traffic.wait_for_more(traffic.kept, 1)
            written = time.monotonic()
            while get(f"{running.url}/health/ready").status_code != 200:
                assert time.monotonic() < promoted + 10
            ready = time.monotonic()
            traffic.wait_for_more(traffic.kept)
        finally:
            traffic.stop()
        for client in clients:
            client.result(60)
    assert traffic.other == []
    assert {answer.headers["Retry-After"] for answer in traffic.refused} == {"1"}
    accounts = {
        row[0] for row in execute(standby.url("keystead"), "SELECT email FROM user_account")
    }
    assert set(traffic.kept) <= accounts
    print(
        f"{len(traffic.kept)} kept, {len(traffic.refused)} refused, promoted after "
        f"{promoted - killed:.1f} s; after that written in {written - promoted:.2f} s, "
        f"ready in {ready - promoted:.2f} s"
    )
