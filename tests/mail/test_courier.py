"""Mail is sent right after the request that caused it, and no request waits for it."""

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.mail.courier import courier
from app.resources import Resources
from tests.mail.office import open_office
from tests.service import in_process, new_address

DAY = "86400"
LONG = 5
"""Longer than any request, and shorter than delivery waits for a silent server; seconds."""


@pytest.fixture
def black_hole() -> Iterator[socket.socket]:
    """A server that accepts connections and stays silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LONG)
        yield listener


def still_waits(connection: socket.socket) -> bool:
    """Return whether the client has neither sent anything nor closed the connection."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize("path", ["/auth/register", "/auth/forgot-password"])
def test_a_silent_mail_server_slows_no_request(
    tmp_path: Path, black_hole: socket.socket, path: str
) -> None:
    mail_url = f"smtp://127.0.0.1:{black_hole.getsockname()[1]}"
    with in_process(tmp_path, mail_url=mail_url) as service:
        first = service.register()
        connection, _ = black_hole.accept()
        with connection:
            address = new_address() if path == "/auth/register" else first.email
            body = {"email": address, "password": first.password}
            started = time.monotonic()
            answer = service.client.post(path, json=body)
            assert time.monotonic() - started < LONG
            assert answer.status_code in (201, 202)
            assert still_waits(connection)
            black_hole.close()
    asyncio.run(assert_waiting(tmp_path, mail_url, 2))


async def assert_waiting(folder: Path, mail_url: str, count: int) -> None:
    async with open_office(folder, mail_url) as office:
        assert [row.state for row in await office.rows()] == ["waiting"] * count


def test_mail_leaves_before_the_next_tick(tmp_path: Path) -> None:
    with in_process(tmp_path, tick_seconds=DAY) as service:
        for _ in range(5):
            assert service.letter(service.register().email)


def test_the_courier_continues_after_a_failure(desk: Path) -> None:
    async def run() -> None:
        calls: asyncio.Queue[int] = asyncio.Queue()

        async def deliver(resources: Resources) -> None:
            calls.put_nowait(1)
            raise LookupError

        async with open_office(desk, "console:") as office, courier(office.resources, deliver):
            for _ in range(3):
                await office.letters(1)
                assert await asyncio.wait_for(calls.get(), 10)

    asyncio.run(run())


def test_the_courier_finishes_its_last_delivery(desk: Path) -> None:
    async def run() -> None:
        begun, leaving = asyncio.Event(), asyncio.Event()
        finished = []

        async def deliver(resources: Resources) -> None:
            begun.set()
            await leaving.wait()
            await asyncio.sleep(0.05)
            finished.append(True)

        async with open_office(desk, "console:") as office:
            async with courier(office.resources, deliver):
                await asyncio.wait_for(begun.wait(), 10)
                leaving.set()
            assert finished == [True]

    asyncio.run(run())
