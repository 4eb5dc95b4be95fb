"""The Containerfile and compose.yaml: linted, and their steps run without a container engine."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.infra.template import ROOT

CONTAINERFILE = ROOT / "Containerfile"
COMPOSE = ROOT / "compose.yaml"
SECRET = "a-secret-that-only-tests-know-32-characters-or-more"


def instructions() -> Iterator[tuple[str, str]]:
    """Yield each instruction and its text, continued lines joined."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, text = line.partition(" ")
            yield name, " ".join(text.split())


def last(name: str) -> str:
    return [text for given, text in instructions() if given == name][-1]


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, CONTAINERFILE], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_the_container_runs_as_a_user_without_names_of_an_index() -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last("USER"))
    assert "://" not in CONTAINERFILE.read_text().replace("http://127.0.0.1:8080/", "")
    assert "--require-hashes" in CONTAINERFILE.read_text()


def test_compose_gives_what_the_container_needs() -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    keystead, database = compose["services"]["keystead"], compose["services"]["database"]
    assert keystead["read_only"]
    assert keystead["cap_drop"] == ["ALL"]
    assert {volume.partition(":")[2] for volume in keystead["volumes"]} == {last("WORKDIR")}
    assert keystead["build"]["dockerfile"] == CONTAINERFILE.name
    for service in (keystead, database):
        given = [str(value) for value in service["environment"].values()]
        named = {value for value in given if value.startswith("/run/secrets/")}
        assert named == {f"/run/secrets/{name}" for name in service["secrets"]}
        assert set(service["secrets"]) <= compose["secrets"].keys()
    page = (ROOT / "docs" / "deploy.md").read_text()
    for secret in compose["secrets"].values():
        assert secret["file"] in page
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "secrets/" in ignored


@pytest.mark.timeout(600)
def test_the_steps_make_a_server_that_its_probe_finds_healthy(tmp_path: Path) -> None:
    """Each COPY and RUN of the build, in a folder; then ENTRYPOINT, CMD and HEALTHCHECK."""
    root, data = tmp_path / "srv/keystead", tmp_path / "var/lib/keystead"
    root.mkdir(parents=True)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python").symlink_to(sys.executable)
    environment = {"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(tmp_path)}
    environment |= {name: os.environ[name] for name in os.environ if name.startswith("PIP_")}
    stage = [step for step in instructions() if "--from=" not in step[1]]
    for name, text in stage:
        if name == "COPY":
            *sources, to = text.split()
            for source in sources:
                copy(ROOT / source, root / to)
        elif name == "RUN":
            subprocess.run(["sh", "-ec", text], cwd=root, env=environment, check=True, timeout=500)
    data.parent.mkdir(parents=True)
    (root / "data").rename(data)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def here(text: str) -> list[str]:
        placed = text.replace("/srv/keystead", str(root)).replace(":8080", f":{port}")
        return list(json.loads(placed))

    probe = here(last("HEALTHCHECK").partition(" CMD ")[2])
    placed = last("ENV").replace("/srv/keystead", str(root))
    settings = dict(pair.split("=", 1) for pair in placed.split())
    command = [*here(last("ENTRYPOINT")), *here(last("CMD")), "--port", str(port)]
    (tmp_path / "secret_key").write_text(f"{SECRET}\n")
    run = environment | settings | {"KEYSTEAD_SECRET_KEY_FILE": str(tmp_path / "secret_key")}
    assert subprocess.run(probe, env=run, stderr=subprocess.DEVNULL, timeout=30).returncode != 0
    with subprocess.Popen(command, cwd=data, env=run) as server:
        try:
            deadline = time.monotonic() + 60
            while subprocess.run(probe, env=run, stderr=subprocess.DEVNULL, timeout=30).returncode:
                assert time.monotonic() < deadline
                assert server.poll() is None
                time.sleep(0.5)
        finally:
            server.terminate()
    assert (data / "var/keystead.db").exists()


def copy(source: Path, to: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        to.mkdir(exist_ok=True)
        shutil.copy(source, to)
