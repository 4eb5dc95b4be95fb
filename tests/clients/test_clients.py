"""Clients made from the OpenAPI document compile, and work; so do OAuth libraries and /docs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.tools import TOOLS, TYPESCRIPT, run
from tests.databases.server import free_port
from tests.http.nginx import nginx
from tests.service import METRICS_TOKEN, PASSWORD, Service, over_tcp

pytestmark = [pytest.mark.only("sqlite"), pytest.mark.timeout(300)]


def url_of(service: Service) -> str:
    return str(service.client.base_url).rstrip("/")


def test_the_linter_finds_nothing(folder: Path) -> None:
    (folder / ".spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    lint = ["lint", "--fail-severity", "hint", "openapi.json"]
    assert "No results" in run("node_modules/.bin/spectral", *lint, folder=folder)


def test_typescript(typescript_folder: Path, service: Service) -> None:
    folder = typescript_folder
    run("node_modules/.bin/tsc", *TYPESCRIPT, "client.ts", folder=folder)
    said = run(TOOLS / "node", "client.js", url_of(service), METRICS_TOKEN, folder=folder)
    assert said == "done\n"


def test_python(folder: Path, service: Service) -> None:
    make = ["--path", "openapi.json", "--meta", "none", "--output-path", "keystead_client"]
    run(TOOLS / "openapi-python-client", "generate", "--fail-on-warning", *make, folder=folder)
    script = "uses_python_client.py"
    # keystead_client/client.py is the same for every document, and not strict.
    checked = [script, "keystead_client/api", "keystead_client/models"]
    run(TOOLS / "mypy", "--strict", "--follow-imports", "silent", *checked, folder=folder)
    said = run(TOOLS / "python", script, url_of(service), METRICS_TOKEN, folder=folder)
    assert said == "done\n"


@pytest.fixture(scope="module")
def short_lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose access tokens live two seconds."""
    with over_tcp(tmp_path_factory.mktemp("short"), access_seconds="2") as service:
        yield service


@pytest.mark.parametrize("script", ["uses_authlib.py", "uses_requests_oauthlib.py"])
def test_an_oauth_library_logs_in_refreshes_and_revokes(
    folder: Path, short_lived: Service, script: str
) -> None:
    assert run(TOOLS / "python", script, url_of(short_lived), folder=folder) == "done\n"


def test_the_documentation_tries_it_out_and_keeps_nothing(
    folder: Path, service: Service, tmp_path: Path
) -> None:
    """At its own address, and below a path that a proxy strips."""
    person = service.register()
    address = [person.email, PASSWORD]
    page = f"{url_of(service)}/docs"
    assert run(TOOLS / "node", "docs_page.mjs", page, *address, folder=folder) == "done\n"
    port = free_port()
    (tmp_path / "below").mkdir()
    with over_tcp(tmp_path / "below", base_url=f"http://127.0.0.1:{port}/id") as below:
        location = f"location /id/ {{ proxy_pass {url_of(below)}/; }}"
        with nginx(tmp_path / "nginx", f"server {{ listen 127.0.0.1:{port}; {location} }}", port):
            person = below.register()
            page = f"http://127.0.0.1:{port}/id/docs"
            said = run(TOOLS / "node", "docs_page.mjs", page, person.email, PASSWORD, folder=folder)
            assert said == "done\n"
