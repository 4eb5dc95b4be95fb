"""The log: each request, and no secret."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.databases import in_database
from tests.databases.server import free_port
from tests.service import (
    PASSWORD,
    SECRET,
    TICK_TOKEN,
    bearer,
    make_environment,
    over_tcp,
    token_in,
)


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("environment", ["production", "development"])
def test_no_secret_is_logged(tmp_path: Path, environment: str) -> None:
    with over_tcp(tmp_path, environment=environment, log_level="DEBUG") as service:
        client = service.client
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
    log = (tmp_path / "log").read_text()
    secrets = [PASSWORD, "wrong password", "another password", SECRET, TICK_TOKEN, "wrong token"]
    for secret in [*secrets, access, verify, reset, "$argon2"]:
        assert secret not in log
    assert log.count("/auth/register") == 3


@pytest.mark.only("sqlite")
def test_production_logs_json_with_the_request_id_of_the_answer(tmp_path: Path) -> None:
    with over_tcp(tmp_path, environment="production") as service:
        request_id = service.client.get("/users/me").headers["x-request-id"]
    lines = [line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
    entries = [json.loads(line) for line in lines]
    (entry,) = [entry for entry in entries if entry.get("request_id") == request_id]
    assert entry["event"] == "request"
    assert (entry["method"], entry["path"], entry["status"]) == ("GET", "/users/me", 401)
    assert entry["client"] == "127.0.0.1"
    assert entry["level"] == "info"
    assert {"timestamp", "ms"} <= set(entry)


@pytest.mark.only("sqlite")
@pytest.mark.parametrize(("level", "logged"), [("INFO", 0), ("DEBUG", 6)])
def test_probes_that_succeed_are_logged_at_debug(tmp_path: Path, level: str, logged: int) -> None:
    """One that fails, or that is no probe, is logged at INFO."""
    with over_tcp(tmp_path, environment="production", log_level=level) as service:
        service.client.get("/mark")  # after the probes that waited for the server
        for path in ("/health/live", "/health/ready", "/health/live?x=1"):
            assert service.client.get(path).status_code == 200
            assert service.client.head(path).status_code == 200
        in_database(tmp_path, "DELETE FROM keystead_version")
        assert service.client.get("/health/ready").status_code == 503
        for path in ("/health", "/health/live/", "/health/lively"):
            service.client.get(path)
        service.client.post("/health/live")
    lines = (tmp_path / "log").read_text().partition('"/mark"')[2].splitlines()[1:]
    entries = [json.loads(line) for line in lines if '"event": "request"' in line]
    assert [entry["level"] for entry in entries] == ["debug"] * logged + ["info"] * 5
    assert [entry["status"] for entry in entries[logged:]] == [503, 404, 404, 404, 405]


@pytest.mark.only("sqlite")
def test_a_request_whose_client_has_gone_is_no_failure_of_ours(tmp_path: Path) -> None:
    with over_tcp(tmp_path, environment="production") as service:
        port = service.client.base_url.port
        with socket.create_connection(("127.0.0.1", port or 0)) as client:
            client.sendall(b"POST /tick HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
        assert service.client.get("/nowhere").status_code == 404
    lines = (tmp_path / "log").read_text().splitlines()
    entries = [json.loads(line) for line in lines if '"path": "/tick"' in line]
    assert [entry["status"] for entry in entries] == [499]


@pytest.mark.only("sqlite")
def test_control_characters_in_a_path_are_escaped(tmp_path: Path) -> None:
    with over_tcp(tmp_path, environment="development") as service:
        assert service.client.get("/%1b[31mred%0aline").status_code == 404
    assert r"path=/\x1b[31mred\nline " in (tmp_path / "log").read_text()


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


@pytest.mark.only("sqlite")
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


@pytest.mark.only("sqlite")
def test_a_full_disk_of_the_log_fails_no_request(tmp_path: Path) -> None:
    """The start logs a problem: the database has no tables."""
    with plain_uvicorn(tmp_path, Path("/dev/full")) as client:
        for _ in range(3):
            assert client.get("/health/live").status_code == 200


@pytest.mark.only("sqlite")
def test_a_bug_is_logged_and_answered_without_its_details(tmp_path: Path) -> None:
    """Break the database's schema under a running server."""
    with over_tcp(tmp_path, environment="production") as service:
        person = service.register()
        in_database(tmp_path, "ALTER TABLE user_account RENAME COLUMN hashed_password TO hash")
        answer = service.try_login(person.email, PASSWORD)
    assert answer.status_code == 503
    assert answer.json() == {"detail": "DATABASE_UNAVAILABLE"}
    assert answer.headers["retry-after"]
    log = (tmp_path / "log").read_text()
    assert "hashed_password" in log
    assert person.email not in log
    assert os.fspath(tmp_path) not in answer.text
