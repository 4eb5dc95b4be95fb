"""What the tests share."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from app.services import Services, open_services
from app.settings import Settings
from tests.service import (
    Service,
    in_process,
    make_environment,
    over_tcp,
    run_command,
    settings_from,
)

RUNS: dict[str, Callable[..., AbstractContextManager[Service]]] = {
    "in-process": in_process,
    "tcp": over_tcp,
}


@pytest.fixture(scope="session", params=RUNS)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A running Keystead: in this process, then over TCP with two workers."""
    with RUNS[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture(scope="session", params=RUNS)
def strict_service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The same, where only people with a verified address may log in."""
    folder = tmp_path_factory.mktemp(f"strict-{request.param}")
    with RUNS[request.param](folder, require_verified="true", tick_token="") as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at head, to copy."""
    folder = tmp_path_factory.mktemp("migrated")
    run_command(make_environment(folder), "migrate")
    return folder / "keystead.db"


@pytest.fixture
def settings(migrated: Path, folder: Path) -> Settings:
    """Settings of a Keystead that keeps everything in `folder`, with a database at head."""
    shutil.copy(migrated, folder / "keystead.db")
    return settings_from(make_environment(folder))


@pytest.fixture
def in_services(settings: Settings) -> Callable[[Callable[[Services], Awaitable[Any]]], Any]:
    """Run a coroutine function with services made of `settings`."""

    def run(work: Callable[[Services], Awaitable[Any]]) -> Any:
        async def with_services() -> Any:
            async with open_services(settings) as services:
                return await work(services)

        return asyncio.run(with_services())

    return run
