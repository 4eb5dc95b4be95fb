"""The artifact: complete, minimal, and never compiled again."""

import importlib.util
import json
import os
import re
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra import build
from tests import databases
from tests.aws.artifact import ROOT, artifact
from tests.aws.emulator import Emulator
from tests.aws.events import Request, http_api, response
from tests.aws.guest import guest
from tests.aws.service import DRIVERS, the_artifact
from tests.service import make_environment

# The modules imported by a function that has served a request, the schedule and a migration.
MODULES = """\
import sys
import handler as ours
def handler(event, context):
    if event == "modules":
        return {n: m.__file__ for n, m in list(sys.modules.items()) if getattr(m, "__file__", None)}
    if event == "migrate":
        return ours.migrate({}, context)
    return ours.handler(event, context)
"""


@pytest.fixture
def imported(tmp_path: Path) -> dict[str, str]:
    """The files of all modules that such a function has imported, by name."""
    environment = make_environment(tmp_path, tick_seconds="0")
    before = snapshot(the_artifact())
    options = guest(tmp_path, MODULES)
    with Emulator(the_artifact(), environment, tmp_path / "run", **options) as emulator:
        emulator.invoke("migrate")
        for path in ("/users/me", "/docs", "/openapi.json", "/metrics", "/verify"):
            assert response(emulator.invoke(http_api(Request("GET", path)))).status < 500
        body = json.dumps({"email": "arthur@camelot.bt", "password": "excalibur"}).encode()
        register = Request("POST", "/auth/register", body=body)
        assert response(emulator.invoke(http_api(register))).status == 201
        emulator.invoke({"tick": {}})
        files: dict[str, str] = emulator.invoke("modules")
    assert snapshot(the_artifact()) == before
    return files


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the size and date of each file."""
    stats = {str(path): path.stat() for path in folder.rglob("*")}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def test_each_imported_file_has_unchecked_bytecode(
    imported: dict[str, str],
) -> None:
    task = the_artifact()
    ours = [Path(file) for file in imported.values() if Path(file).is_relative_to(task)]
    sources = [path for path in ours if path.suffix == ".py"]
    assert len(sources) > 500
    for source in sources:
        code = Path(importlib.util.cache_from_source(str(source))).read_bytes()
        assert code[:4] == importlib.util.MAGIC_NUMBER, source
        # PEP 552: hash-based, unchecked.
        assert int.from_bytes(code[4:8], "little") == 0b01, source
        assert code[8:16] == importlib.util.source_hash(source.read_bytes()), source


def test_every_module_comes_from_the_artifact_or_the_standard_library(
    imported: dict[str, str],
) -> None:
    task, python = the_artifact(), Path(os.__file__).parent
    for name, file in imported.items():
        path = Path(file)
        own = path.is_relative_to(task) or "runtime" in path.parts or "guest" in path.parts
        assert own or path.is_relative_to(python.resolve()) or path.is_relative_to(python), name


def test_there_is_no_driver_of_another_database_and_no_sdk(imported: dict[str, str]) -> None:
    driver = DRIVERS[databases.server().name]
    packages = {path.name for path in the_artifact().iterdir()}
    for other in set().union(*build.DRIVERS.values()) - build.DRIVERS[driver]:
        assert other not in packages
    for name in ("boto3", "botocore", "typer", "rich", "uvicorn", "pytest", "click", "bin"):
        assert name not in packages
    assert not {name for name in imported if name.startswith("app.cli")}


@pytest.mark.only("sqlite")
def test_the_artifact_is_built_for_another_architecture_and_python(tmp_path: Path) -> None:
    """The wheels for arm64 and the runtime's Python exist, though none can run here."""
    for driver in ("postgresql", "mysql"):
        wanted = tmp_path / f"{driver}.txt"
        wanted.write_text(build.requirements(driver))
        for architecture, machine in build.PLATFORMS.items():
            folder = tmp_path / f"{driver}-{architecture}"
            build.install(wanted, folder, machine, "3.13")
            libraries = [path.name for path in folder.rglob("*.so")]
            assert len(libraries) > 10
            assert all(machine in name or "abi3" in name for name in libraries), libraries


def test_a_python_that_is_missing_is_named() -> None:
    with pytest.raises(SystemExit, match=r"Python 3\.99 is not here"):
        build.find_interpreter("3.99")


def test_the_makefile_builds_each_function(tmp_path: Path) -> None:
    makefile = (ROOT / "infra" / "Makefile").read_text()
    functions = re.findall(r"^  (\w+):\n    Type: AWS::Serverless::Function", template(), re.M)
    assert len(functions) == 3
    for function in functions:
        assert f"build-{function}" in makefile
    made = tmp_path / "made"
    python = f"{sys.executable} -B"
    command = ["make", "-f", str(ROOT / "infra" / "Makefile"), "build-ApiFunction", "-n"]
    done = subprocess.run(
        [*command, f"ARTIFACTS_DIR={made}", f"PYTHON={python}", "DRIVER=mysql"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "--driver mysql --architecture arm64" in done.stdout
    assert str(made) in done.stdout


def template() -> str:
    return (ROOT / "infra" / "template.yaml").read_text()


def test_the_certificates_of_rds_are_complete() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(artifact("postgresql") / "rds.pem")
    authorities = context.get_ca_certs()
    names = [dict(part[0] for part in each["subject"]) for each in authorities]  # type: ignore[misc]
    assert len(authorities) == (ROOT / "infra" / "rds.pem").read_text().count("BEGIN CERT") > 80
    assert {name["organizationName"] for name in names} <= {
        *("Amazon", "Amazon Web Services, Inc.", "Starfield Technologies, Inc."),
    }
    in_a_year = time.time() + 365 * 86_400
    for each in authorities:
        assert ssl.cert_time_to_seconds(str(each["notAfter"])) > in_a_year, each["subject"]
