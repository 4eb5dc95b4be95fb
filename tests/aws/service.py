"""Keystead on AWS Lambda, as far as it runs on this machine."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from tests import databases
from tests.aws.artifact import artifact
from tests.aws.emulator import Emulator
from tests.aws.gateway import Gateway, schedule
from tests.service import Service, make_environment

# The driver for each database; MariaDB speaks MySQL's protocol.
DRIVERS = {"sqlite": "sqlite", "postgres": "postgresql", "mysql": "mysql", "mariadb": "mysql"}


def the_artifact() -> Path:
    """Return the artifact for the database of this run."""
    return artifact(DRIVERS[databases.server().name])


@contextmanager
def in_lambda(folder: Path, **settings: str) -> Iterator[Service]:
    """Run the artifact as the template does: migrate, then two processes and the schedule's."""
    environment = make_environment(folder, **{"tick_seconds": "2", **settings})
    task = the_artifact()
    with Emulator(task, environment, folder / "migrate", handler="handler.migrate") as migrate:
        assert migrate.invoke({})["revision"]
    with ExitStack() as stack:
        sandboxes = [
            stack.enter_context(Emulator(task, environment, folder / f"sandbox{n}"))
            for n in range(3)
        ]
        gateway = stack.enter_context(Gateway(sandboxes[:2]))
        stack.enter_context(schedule(sandboxes[2]))
        client = httpx2.Client(base_url=gateway.url, timeout=60, verify=False)
        yield Service(stack.enter_context(client), folder, environment)
