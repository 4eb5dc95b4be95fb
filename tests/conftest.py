"""What the tests share."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.service import Service, in_process, over_tcp

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
