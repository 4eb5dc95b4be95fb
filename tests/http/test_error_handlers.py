"""The edge of a request: which errors keep its writes, and which are bugs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import insert
from starlette.testclient import TestClient

from app.errors import APIError
from app.http.dependencies import SessionDep
from app.main import create_app
from app.settings.model import Settings
from app.tick.tables import TickCounter
from tests.databases import in_database


class BadCode(APIError):
    """A wrong one-time code: the attempt counts."""

    status, code = 400, "BAD_CODE"
    keeps_writes = True


class BadRequestBody(APIError):
    status, code = 400, "BAD_BODY"


@pytest.fixture
def app(settings: Settings, desk: Path) -> FastAPI:
    in_database(desk, "INSERT INTO tick_counter (name, value) VALUES ('attempts', 0)")
    return create_app(settings)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def attempts(desk: Path) -> int:
    [(value,)] = in_database(desk, "SELECT value FROM tick_counter WHERE name = 'attempts'")
    return int(value)


@pytest.mark.parametrize(("error", "counted"), [(BadCode, 1), (BadRequestBody, 0)])
def test_an_error_commits_only_if_it_keeps_its_writes(
    app: FastAPI, client: TestClient, desk: Path, error: type[APIError], counted: int
) -> None:
    @app.post("/code")
    async def check_code(session: SessionDep) -> None:
        counter = await session.get_one(TickCounter, "attempts")
        counter.value += 1
        raise error

    answer = client.post("/code")
    assert (answer.status_code, answer.json()) == (400, {"detail": error.code})
    assert attempts(desk) == counted


def test_writes_that_cannot_be_kept_are_no_success(
    app: FastAPI, client: TestClient, desk: Path
) -> None:
    """The commit before the answer fails: the client gets the failure, not the refusal."""

    @app.post("/code")
    async def check_code(session: SessionDep) -> None:
        session.add(TickCounter(name="attempts", value=1))
        raise BadCode

    assert client.post("/code").status_code == 500
    assert attempts(desk) == 0


@pytest.mark.parametrize("error", [FileNotFoundError("layout.html"), TimeoutError(), OSError(28)])
def test_an_error_of_the_system_in_a_route_is_a_bug(
    capsys: pytest.CaptureFixture[str], app: FastAPI, error: OSError
) -> None:
    """A missing template or a full disk: 500 with its trace, not "database unavailable"."""

    @app.get("/page")
    async def render(session: SessionDep) -> None:
        raise error

    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/page")
    assert (answer.status_code, answer.json()) == (500, {"detail": "Internal Server Error"})
    logged = capsys.readouterr().err
    assert "Traceback" in logged
    assert "database unavailable" not in logged


def test_a_constraint_without_an_error_of_its_own_is_a_bug(
    capsys: pytest.CaptureFixture[str], app: FastAPI
) -> None:
    @app.post("/counters")
    async def create_counter(session: SessionDep) -> None:
        await session.execute(insert(TickCounter).values(name="attempts", value=1))

    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.post("/counters").status_code == 500
    assert "constraint violated: pk_tick_counter" in capsys.readouterr().err
