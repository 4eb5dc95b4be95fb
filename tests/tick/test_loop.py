"""The local loop, in real servers."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from app.resources import Resources
from app.tick.context import JobContext
from app.tick.job import Job
from app.tick.loop import local_loop
from app.tick.runner import Runner
from tests.databases import in_database
from tests.databases.server import free_port
from tests.service import Server, make_environment, over_tcp

# KEYSTEAD_TEST_SECONDS=60 runs it for a minute.
SECONDS = int(os.environ.get("KEYSTEAD_TEST_SECONDS", "5"))


def count_runs(folder: Path) -> tuple[int, list[int], set[str]]:
    """Return the counter, the occurrences that ran, and their states."""
    [(count,)] = in_database(folder, "SELECT value FROM tick_counter")
    rows = in_database(
        folder, "SELECT occurrence, state FROM tick_run WHERE name = 'count' ORDER BY occurrence"
    )
    return count, [row[0] for row in rows], {row[1] for row in rows}


# On the others, tests/exactly_once has more workers, and kills them.
@pytest.mark.only("sqlite")
def test_two_workers_count_each_second_once(tmp_path: Path) -> None:
    with over_tcp(tmp_path, workers=2, tick_seconds="1"):
        time.sleep(SECONDS)
    count, occurrences, states = count_runs(tmp_path)
    assert states == {"done"}
    assert occurrences == list(range(occurrences[0], occurrences[0] + count))
    assert count >= SECONDS - 1


@pytest.mark.only("sqlite")
def test_zero_means_no_loop(tmp_path: Path) -> None:
    with over_tcp(tmp_path, tick_seconds="0") as service:
        service.register()
        time.sleep(1.5)
        assert not (tmp_path / "mail").exists()
        assert "sent" in service.command("tick", "--job", "mail")
        assert len(list((tmp_path / "mail").glob("*.eml"))) == 1


@pytest.mark.only("sqlite")
def test_no_job_starts_while_the_process_is_stopping(tmp_path: Path) -> None:
    """Not even while a last request delays the shutdown."""
    environment = make_environment(tmp_path, tick_seconds="1")
    port = free_port()
    with (
        Server(environment, port, 1, tmp_path / "log") as running,
        ThreadPoolExecutor(1) as threads,
    ):
        deadline = time.monotonic() + 30
        while not in_database(tmp_path, "SELECT 1 FROM tick_run WHERE name = 'count'"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(b"POST /auth/register HTTP/1.1\r\nHost: k\r\nContent-Length: 99\r\n\r\n{")
            time.sleep(0.2)
            stopped = threads.submit(running.stop)
            time.sleep(0.8)
            _, before, states = count_runs(tmp_path)
            time.sleep(2.5)
            assert not stopped.done()
            assert count_runs(tmp_path)[1] == before
        assert stopped.result(30) in (0, -signal.SIGTERM)
    assert states == {"done"}


def test_the_loop_survives_errors_and_waits_for_running_jobs(
    in_resources: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A failed job waits for its pause; the loop continues.
    monkeypatch.setattr("app.tick.claim._pause", lambda attempts: timedelta(0))

    async def check(resources: Resources) -> None:
        tries, finished = 0, 0
        working = asyncio.Event()

        async def work(turn: JobContext) -> dict[str, Any]:
            nonlocal tries, finished
            tries += 1
            if tries == 1:
                raise RuntimeError("no luck")
            working.set()
            await asyncio.sleep(0.3)
            finished += 1
            return {}

        job = Job("work", 1, work)
        async with local_loop(Runner(resources, [job])):
            await asyncio.wait_for(working.wait(), 10)
            begun = tries
        assert finished == begun - 1
        await asyncio.sleep(1.2)
        assert tries == begun

    in_resources(check)


def test_missed_occurrences_run_at_the_start(in_resources: Callable[[Any], Any]) -> None:
    async def check(resources: Resources) -> None:
        done = asyncio.Event()

        async def work(turn: JobContext) -> dict[str, Any]:
            done.set()
            return {}

        async with local_loop(Runner(resources, [Job("daily", 86_400, work)])):
            await asyncio.wait_for(done.wait(), 10)

    in_resources(check)


def test_the_loop_follows_the_databases_clock(in_resources: Callable[[Any], Any]) -> None:
    period, ahead = 6, 3

    async def check(resources: Resources) -> None:
        began = asyncio.Queue[float]()

        async def work(turn: JobContext) -> dict[str, Any]:
            began.put_nowait(time.time() - ahead)
            return {}

        with time_machine.travel(time.time() + ahead):
            async with local_loop(Runner(resources, [Job("work", period, work)])):
                await began.get()
                moment = await asyncio.wait_for(began.get(), 30)
        assert moment % period < 2

    in_resources(check)
