"""Fixtures of the clients: a server, and a folder with npm's packages."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.tools import TOOLS, run
from tests.service import Service, get, over_tcp

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with over_tcp(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, service: Service) -> Path:
    """A folder with the document, the scripts, and npm's packages."""
    folder = tmp_path_factory.mktemp("clients")
    for file in (*HERE.glob("package*.json"), *(HERE / "scripts").iterdir()):
        shutil.copy(file, folder)
    (folder / "openapi.json").write_text(get(f"{service.client.base_url}/openapi.json").text)
    run(TOOLS / "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", folder=folder)
    return folder


@pytest.fixture(scope="session")
def typescript_folder(folder: Path) -> Path:
    """The folder, with the types of the document in `schema.d.ts`."""
    make = ["openapi.json", "--output", "schema.d.ts"]
    run("node_modules/.bin/openapi-typescript", *make, folder=folder)
    return folder
