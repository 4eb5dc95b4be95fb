"""The log: each request, and no secret."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from app.schema.revisions import head
from tests.databases import in_database
from tests.databases.server import free_port
from tests.log import Log
from tests.service import (
    PASSWORD,
    SECRET,
    TICK_TOKEN,
    Service,
    bearer,
    make_environment,
    over_tcp,
    token_in,
)

pytestmark = pytest.mark.only("sqlite")


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("production")
    with over_tcp(folder, environment="production", log_level="DEBUG") as service:
        yield service


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("quiet")
    with over_tcp(folder, environment="production", log_level="INFO") as service:
        yield service


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("development")
    with over_tcp(folder, environment="development", log_level="DEBUG") as service:
        yield service


@pytest.mark.parametrize("environment", ["production", "development"])
def test_no_secret_is_logged(request: pytest.FixtureRequest, environment: str) -> None:
    service: Service = request.getfixturevalue(environment)
    log, client = Log(service), service.client
    person = service.register()
    headers = service.login(person)
    service.try_login(person.email, "a wrong password")
    access = headers["Authorization"].removeprefix("Bearer ")
    verify = token_in(service.letter(person.email))
    client.get("/verify", params={"token": verify})
    client.post("/verify", data={"token": verify})
    client.get("/users/me", params={"access_token": access}, headers=headers)
    client.post("/auth/register", json={"email": 1, "password": PASSWORD})
    client.post("/auth/register", content=PASSWORD.encode())
    client.post("/tick", headers=bearer(TICK_TOKEN))
    client.post("/tick", headers=bearer("a wrong token"))
    client.post("/auth/forgot-password", json={"email": person.email})
    reset = token_in(service.letter(person.email))
    client.get("/reset-password", params={"token": reset})
    new = {"token": reset, "password": "another password"}
    client.post("/auth/reset-password", json=new)
    client.post("/auth/jwt/logout", headers=headers)
    said = log.read()
    secrets = [PASSWORD, "wrong password", "another password", SECRET, TICK_TOKEN, "wrong token"]
    for secret in [*secrets, access, verify, reset, "$argon2"]:
        assert secret not in said
    assert said.count("/auth/register") == 3


def test_production_logs_json_with_the_request_id_of_the_answer(production: Service) -> None:
    log = Log(production)
    request_id = production.client.get("/users/me").headers["x-request-id"]
    (entry,) = log.requests()
    assert entry["request_id"] == request_id
    assert (entry["method"], entry["path"], entry["status"]) == ("GET", "/users/me", 401)
    assert entry["client"] == "127.0.0.1"
    assert entry["level"] == "info"
    assert {"timestamp", "ms"} <= set(entry)


@pytest.mark.parametrize(("server", "logged"), [("quiet", 0), ("production", 6)])
def test_probes_that_succeed_are_logged_at_debug(
    request: pytest.FixtureRequest, server: str, logged: int
) -> None:
    """One that fails, or that is no probe, is logged at INFO."""
    service: Service = request.getfixturevalue(server)
    log = Log(service)
    for path in ("/health/live", "/health/ready", "/health/live?x=1"):
        assert service.client.get(path).status_code == 200
        assert service.client.head(path).status_code == 200
    set_revision = "UPDATE keystead_version SET version_num = :revision"
    in_database(service.folder, set_revision, revision="0001")
    assert service.client.get("/health/ready").status_code == 503
    in_database(service.folder, set_revision, revision=head())
    for path in ("/health", "/health/live/", "/health/lively"):
        service.client.get(path)
    service.client.post("/health/live")
    entries = log.requests()
    assert [entry["level"] for entry in entries] == ["debug"] * logged + ["info"] * 5
    assert [entry["status"] for entry in entries[logged:]] == [503, 404, 404, 404, 405]


def test_a_request_whose_client_has_gone_is_no_failure_of_ours(production: Service) -> None:
    log = Log(production)
    port = production.client.base_url.port
    with socket.create_connection(("127.0.0.1", port or 0)) as client:
        client.sendall(b"POST /tick HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
    log.wait_for('"path": "/tick"')
    (entry,) = [entry for entry in log.requests() if entry["path"] == "/tick"]
    assert entry["status"] == 499


def test_control_characters_in_a_path_are_escaped(development: Service) -> None:
    log = Log(development)
    assert development.client.get("/%1b[31mred%0aline").status_code == 404
    assert r"path=/\x1b[31mred\nline " in log.read()


@contextmanager
def plain_uvicorn(folder: Path, log: Path) -> Iterator[httpx2.Client]:
    """Serve a database without tables, without `keystead serve`."""
    environment, port = make_environment(folder), free_port()
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port)]
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        transport = httpx2.HTTPTransport(retries=8)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", transport=transport) as client:
            yield client
    finally:
        server.terminate()
        server.wait(20)


def test_plain_uvicorn_logs_no_token_and_reports_an_old_schema(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    with plain_uvicorn(tmp_path, log) as client:
        ready = client.get("/health/ready")
        assert client.get("/health/live").status_code == 200
        assert client.get("/verify", params={"token": "hush"}).status_code == 200
        register = {"email": "king@camelot.bt", "password": PASSWORD}
        assert client.post("/auth/register", json=register).status_code == 503
    assert ready.status_code == 503
    assert ready.json()["status"] == "unavailable"
    assert "revision none" in ready.json()["reason"]
    assert "keystead migrate" in ready.json()["reason"]
    assert "keystead migrate" in log.read_text()
    assert "hush" not in log.read_text()


def test_a_full_disk_of_the_log_fails_no_request(tmp_path: Path) -> None:
    """The start logs a problem: the database has no tables."""
    with plain_uvicorn(tmp_path, Path("/dev/full")) as client:
        for _ in range(3):
            assert client.get("/health/live").status_code == 200


def test_a_bug_is_logged_and_answered_without_its_details(production: Service) -> None:
    """Break the database's schema under a running server."""
    log = Log(production)
    person = production.register()
    rename = "ALTER TABLE user_account RENAME COLUMN {} TO {}"
    in_database(production.folder, rename.format("hashed_password", "hash"))
    answer = production.try_login(person.email, PASSWORD)
    in_database(production.folder, rename.format("hash", "hashed_password"))
    assert answer.status_code == 503
    assert answer.json() == {"detail": "DATABASE_UNAVAILABLE"}
    assert answer.headers["retry-after"]
    said = log.read()
    assert "hashed_password" in said
    assert person.email not in said
    assert os.fspath(production.folder) not in answer.text
