"""A database server that is demoted: its connections stay open, and it takes no writes."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text
from starlette.testclient import TestClient

from app.database.engine import Database
from app.errors import DatabaseUnavailable
from tests.databases import KINDS, server
from tests.databases.server import OwnServer
from tests.service import (
    PASSWORD,
    Service,
    in_process,
    new_address,
    run_command,
)

pytestmark = pytest.mark.only("postgres", "mysql", "mariadb")

POSTGRES = pytest.mark.only("postgres")
MYSQL = pytest.mark.only("mysql")
MARIADB = pytest.mark.only("mariadb")
# Of the whole server: connections that are open take no writes either.
SERVER = [
    pytest.param("default_transaction_read_only", marks=POSTGRES),
    pytest.param("read_only", marks=pytest.mark.only("mysql", "mariadb")),
    pytest.param("super_read_only", marks=MYSQL),
]
# Of a connection: it keeps the value that it began with.
CONNECTION = [
    pytest.param("DATABASE", marks=POSTGRES),
    pytest.param("transaction_read_only", marks=MYSQL),
    pytest.param("tx_read_only", marks=MARIADB),
]


Start = Callable[[], AbstractContextManager[Service]]


class Demotion:
    """A server of the tests' own that can be made read-only, and a user whom that binds."""

    def __init__(self, own: OwnServer) -> None:
        self._own = own
        own.create("keystead")
        self.url = own.url("keystead")
        run_command({"KEYSTEAD_DATABASE_URL": self.url}, "migrate")
        if own.name != "postgres":
            own.ask("CREATE USER app@'%' IDENTIFIED BY 'secret'")
            own.ask("GRANT ALL ON keystead.* TO app@'%'")
            login = make_url(self.url).set(username="app", password="secret")
            self.url = login.render_as_string(hide_password=False)

    def switch(self, variable: str, value: str) -> None:
        if variable == "DATABASE":
            change = {"ON": "SET default_transaction_read_only = on", "OFF": "RESET ALL"}[value]
            self._own.ask(f"ALTER DATABASE keystead {change}")
        elif self._own.name == "postgres":
            self._own.ask(f"ALTER SYSTEM SET {variable} = {value}")
            self._own.ask("SELECT pg_reload_conf()")
            deadline = time.monotonic() + 10
            while self._own.ask(f"SHOW {variable}")[0][0] != value.lower():
                assert time.monotonic() < deadline
                time.sleep(0.02)
        else:
            if value == "OFF" and variable == "super_read_only":
                variable = "read_only"  # which it has switched on
            self._own.ask(f"SET GLOBAL {variable} = {value}")

    def end(self) -> None:
        for variable in (p.values[0] for p in (*SERVER, *CONNECTION) if self._concerns(p)):
            self.switch(str(variable), "OFF")

    def _concerns(self, parameter: Any) -> bool:
        return self._own.name in parameter.marks[0].args


@pytest.fixture(scope="module")
def own_server() -> Iterator[Demotion]:
    with KINDS[server().name]() as own:
        assert isinstance(own, OwnServer)
        yield Demotion(own)


@pytest.fixture
def demotion(own_server: Demotion) -> Iterator[Demotion]:
    """A server that takes writes, and does so again at the end."""
    yield own_server
    own_server.end()


@pytest.fixture
def start(tmp_path: Path, demotion: Demotion) -> Start:
    """Return a function that starts a service."""
    return partial(in_process, tmp_path, database_url=demotion.url, tick_seconds="0")


def register(service: Service) -> tuple[int, str | None]:
    person = {"email": new_address(), "password": PASSWORD}
    answer = service.client.post("/auth/register", json=person)
    return answer.status_code, answer.headers.get("Retry-After")


def connections(service: Service) -> set[int]:
    """Return the server's numbers of two connections of the pool."""

    async def ask(database: Database) -> set[int]:
        is_postgres = database.engine.dialect.name == "postgresql"
        number = text(f"SELECT {'pg_backend_pid' if is_postgres else 'connection_id'}()")
        async with database.transaction() as one, database.transaction() as other:
            return {await session.scalar(number) or 0 for session in (one, other)}

    numbers: set[int] = in_loop_of(service, ask)
    return numbers


def in_loop_of(service: Service, work: Callable[[Database], Awaitable[Any]]) -> Any:
    """Run `work` with the database of a service in this process."""
    assert isinstance(service.client, TestClient)
    assert service.client.portal is not None
    return service.client.portal.call(work, service.client.app_state["resources"].database)


@pytest.mark.parametrize("variable", SERVER)
def test_a_refused_write_replaces_all_connections(
    demotion: Demotion, start: Start, variable: str
) -> None:
    with start() as service:
        headers = service.login(service.register())
        before = connections(service)
        demotion.switch(variable, "ON")
        assert register(service) == (503, "1")
        assert service.client.get("/users/me", headers=headers).status_code == 200
        assert not connections(service) & before
        assert register(service) == (503, "1")
        demotion.switch(variable, "OFF")
        assert register(service) == (201, None)


@pytest.mark.parametrize("variable", CONNECTION)
def test_one_refused_write_is_enough(demotion: Demotion, start: Start, variable: str) -> None:
    """Each connection of the pool was opened while the server was read-only."""
    demotion.switch(variable, "ON")
    with start() as service:
        assert len(connections(service)) == 2
        demotion.switch(variable, "OFF")
        assert register(service) == (503, "1")
        assert [register(service) for _ in range(3)] == [(201, None)] * 3


@pytest.mark.only("mysql", "mariadb")
@pytest.mark.parametrize("number", [1047, 1836])
def test_a_node_of_a_cluster_is_left(start: Start, number: int) -> None:
    """A reader of Aurora's, and a node that a Galera cluster has shut out."""
    with start() as service:
        before = connections(service)

        refusal = f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}"

        async def write(database: Database) -> None:
            async with database.transaction() as session:
                await session.execute(text(refusal))

        with pytest.raises(DatabaseUnavailable):
            in_loop_of(service, write)
        assert not connections(service) & before


@pytest.mark.parametrize("variable", [*SERVER, *CONNECTION])
def test_readiness_tells_that_the_database_takes_no_writes(
    demotion: Demotion, start: Start, variable: str
) -> None:
    demotion.switch(variable, "ON")
    with start() as service:
        answer = service.readiness()
        assert answer.status_code == 503
        assert "read-only" in answer.json()["reason"]
        problem = run_command(service.environment, "check", code=1)
        assert "read-only" in " ".join(problem.split())
        demotion.switch(variable, "OFF")
        answer = service.readiness()
        assert answer.json()["status"] == "ok", answer.text
