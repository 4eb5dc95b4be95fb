"""kill -9 under load: every answered registration is stored, and nothing is stored by half."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from tests.databases import in_database, server
from tests.databases.server import free_port
from tests.service import (
    PASSWORD,
    Account,
    Server,
    Service,
    make_environment,
    new_address,
)

CLIENTS = 8


def keep_registering(url: str, answered: list[Account], enough: threading.Event) -> None:
    """Register accounts until the server is gone; record each that was answered."""
    with httpx2.Client(base_url=url, timeout=30, verify=False) as client:
        while True:
            address = new_address()
            try:
                answer = client.post(
                    "/auth/register", json={"email": address, "password": PASSWORD}
                )
            except httpx2.TransportError:
                return
            assert answer.status_code == 201, answer.text
            answered.append(Account(answer.json()["id"], address))
            if len(answered) > 20:
                enough.set()


def test_kill_9_between_commit_and_answer_signs_nobody_out(tmp_path: Path) -> None:
    """The client, which has no answer, sends its refresh token again."""
    environment = make_environment(tmp_path, tick_seconds="0")
    port = free_port()
    with (
        Server(environment, port, 1, tmp_path / "log") as running,
        httpx2.Client(base_url=running.url, timeout=60, verify=False) as client,
    ):
        service = Service(client, tmp_path, environment)
        person = service.register()
        token = service.try_login(person.email, person.password).json()["refresh_token"]
        body = json.dumps({"refresh_token": token})
        head = "POST /auth/jwt/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        # Its answer, if any was sent, is never read.
        with socket.create_connection(("127.0.0.1", port), timeout=30) as lost:
            lost.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            wait_for_refresh(tmp_path)
            running.kill()
    # Stands for a restart at once, however busy this machine is.
    now = datetime.now(UTC)
    in_database(tmp_path, "UPDATE user_session SET refreshed_at = :now", now=now)
    with (
        Server(environment, free_port(), 1, tmp_path / "log") as running,
        httpx2.Client(base_url=running.url, timeout=60, verify=False) as client,
    ):
        for _ in range(2):
            answer = client.post("/auth/jwt/refresh", json={"refresh_token": token})
            assert answer.status_code == 200, answer.text
            token = answer.json()["refresh_token"]


def wait_for_refresh(folder: Path) -> None:
    deadline = time.monotonic() + 30
    while in_database(folder, "SELECT refresh_counter FROM user_session") != [(1,)]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_kill_9_loses_no_answered_write_and_leaves_none_by_half(tmp_path: Path) -> None:
    environment = make_environment(tmp_path, tick_seconds="1")
    answered: list[Account] = []
    enough = threading.Event()
    with (
        Server(environment, free_port(), 2, tmp_path / "log") as running,
        ThreadPoolExecutor(CLIENTS) as threads,
    ):
        for _ in range(CLIENTS):
            threads.submit(keep_registering, running.url, answered, enough)
        assert enough.wait(60)
        running.kill()
    look_at(tmp_path, answered)
    let_time_pass(tmp_path)
    with (
        Server(environment, free_port(), 1, tmp_path / "log") as running,
        httpx2.Client(base_url=running.url, timeout=60, verify=False) as client,
    ):
        service = Service(client, tmp_path, environment)
        for account in answered[::7]:
            assert client.get("/users/me", headers=service.login(account)).status_code == 200
        # The next process delivers the mail that a killed one left.
        for account in answered:
            service.letter(account.email)


def let_time_pass(folder: Path) -> None:
    """Expire the claims of the killed processes."""
    in_database(folder, "UPDATE mail_message SET due_at = created_at")


def look_at(folder: Path, answered: list[Account]) -> None:
    assert server().faults(server().name_for(folder)) == []
    accounts = {row[0] for row in in_database(folder, "SELECT email FROM user_account")}
    letters = {row[0] for row in in_database(folder, "SELECT address FROM mail_message")}
    assert {account.email for account in answered} <= accounts
    assert accounts == letters
    done = "SELECT count(*) FROM tick_run WHERE name = 'count' AND state = 'done'"
    value = "SELECT coalesce(max(value), 0) FROM tick_counter"
    assert in_database(folder, done) == in_database(folder, value)
