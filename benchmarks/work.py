"""Periodic work: ticks claimed and mails sent a second, by one process."""

import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from app import clock
from app.jobs import deliver_mail
from app.logs import configure_logging
from app.mail.outbox import Outbox
from app.resources import Resources, open_resources
from app.settings.model import Settings
from app.tick.context import JobContext
from app.tick.job import Job
from app.tick.runner import Runner
from app.users.database import UserDatabase
from app.users.letters import VERIFY
from benchmarks.sitting import ALL_DATABASES, OURS, Measures, Row, Sitting
from tests.databases.server import free_port
from tests.service import make_environment, new_address, run_command, settings_from

MAILS_A_SECOND = 100
"""Waiting messages for each second of load."""


def measure(
    work: Callable[[Resources, int], Awaitable[float]], sitting: Sitting, mail_url: str = ""
) -> Measures:
    """Run it with a new database, in this process; `work` returns its rate."""
    folder = sitting.new_folder()
    environment = make_environment(folder, environment="production")
    if mail_url:
        environment["KEYSTEAD_MAIL_URL"] = mail_url
    run_command(environment, "migrate")
    settings = settings_from(environment)

    async def run() -> float:
        async with open_resources(settings) as resources:
            return await work(resources, sitting.seconds)

    with _logging_to(folder / "log", settings):
        return {"a second": asyncio.run(run())}


@contextmanager
def _logging_to(path: Path, settings: Settings) -> Iterator[None]:
    with path.open("a") as log:
        with redirect_stderr(log):
            configure_logging(settings.log_level, as_json=settings.is_production)
        try:
            yield
        finally:
            logging.getLogger().handlers = []


async def ticks(resources: Resources, seconds: int) -> float:
    """Claim, run and record occurrences of a job that does nothing, one after the other."""
    job = Job("nothing", 1, nothing)
    runner = Runner(resources, [job])
    at = clock.now() - timedelta(days=1)
    await runner.run(job, at, "benchmark")
    number, begun = 0, time.perf_counter()
    while time.perf_counter() < begun + seconds:
        number += 1
        outcome = await runner.run(job, at + timedelta(seconds=number), "benchmark")
        assert outcome.status == "done", outcome
    return number / (time.perf_counter() - begun)


async def nothing(_: JobContext) -> dict[str, Any]:
    return {}


async def mails(resources: Resources, seconds: int) -> float:
    """Deliver waiting letters that ask to verify an address."""
    address, number = new_address(), MAILS_A_SECOND * seconds
    async with resources.database.transaction() as session:
        await UserDatabase(session).create({"email": address, "hashed_password": "!"})
        outbox = Outbox(session, resources.mail_waiting)
        for _ in range(number):
            outbox.enqueue(VERIFY, address)
    left, begun = number, time.perf_counter()
    while left > 0:
        counts = await deliver_mail(resources)
        assert counts["sent"] == sum(counts.values()) > 0, counts
        left -= counts["sent"]
    return number / (time.perf_counter() - begun)


def mails_by_smtp(sitting: Sitting) -> Measures:
    with _smtp_server() as url:
        return measure(mails, sitting, url)


@contextmanager
def _smtp_server() -> Iterator[str]:
    """Run an SMTP server that accepts everything, in a process of its own; give its URL."""
    port = free_port()
    address = ("127.0.0.1", port)
    listen = ["-m", "aiosmtpd", "-n", "-l", f"{address[0]}:{port}", "-c", "aiosmtpd.handlers.Sink"]
    process = subprocess.Popen([sys.executable, *listen])
    try:
        while process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(address) == 0:
                    break
            time.sleep(0.05)
        yield f"smtp://{address[0]}:{port}"
    finally:
        process.terminate()
        process.wait(10)


ROW = Row(
    "work",
    "Work by the clock",
    {
        f"{OURS}: ticks": partial(measure, ticks),
        f"{OURS}: mails to files": partial(measure, mails),
        f"{OURS}: mails over SMTP": mails_by_smtp,
    },
    "By one process, one after the other. A tick is an occurrence of a job that does nothing: "
    "claimed, run and recorded.",
    databases=ALL_DATABASES,
)
