"""Compare the time of forgot-password for known and unknown addresses.

Sends requests to a real server in turn for an address with an account and one without, and prints
the medians and their ratio; the same for log-in.

.tox/sqlite/bin/python -m benchmarks.forgot_password
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
from rich.console import Console
from rich.table import Table

from tests.service import PASSWORD, Service, new_address, over_tcp

ROUNDS = 300
WARM_UP = 20
DEFAULT_HASH = {"argon2_memory_kib": "19456"}


def main() -> None:
    """Measure and print."""
    table = Table("", "known, median ms", "unknown, median ms", "known / unknown", "spread, ms")
    with (
        tempfile.TemporaryDirectory() as folder,
        over_tcp(Path(folder), workers=1, log_level="WARNING", **DEFAULT_HASH) as service,
    ):
        known = service.register().email
        table.add_row("forgot-password", *compare(lambda who: forgot(service, who), known))
        table.add_row("login, wrong password", *compare(lambda who: login(service, who), known))
    Console().print(table)


def forgot(service: Service, address: str) -> httpx2.Response:
    return service.client.post("/auth/forgot-password", json={"email": address})


def login(service: Service, address: str) -> httpx2.Response:
    return service.try_login(address, f"not {PASSWORD}")


def compare(ask: Callable[[str], httpx2.Response], known: str) -> list[str]:
    """Return the row for `ask`: both medians, their ratio, and half the interquartile range."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for n in range(2 * (ROUNDS + WARM_UP)):
        is_known = n % 2 == 0
        address = known if is_known else new_address()
        started = time.perf_counter()
        ask(address)
        elapsed = (time.perf_counter() - started) * 1_000
        if n >= 2 * WARM_UP:
            times[is_known].append(elapsed)
    medians = {who: statistics.median(values) for who, values in times.items()}
    low, _, high = statistics.quantiles(times[True] + times[False], n=4)
    ratio = medians[True] / medians[False]
    return [
        f"{medians[True]:.2f}",
        f"{medians[False]:.2f}",
        f"{ratio:.3f}",
        f"± {(high - low) / 2:.2f}",
    ]


if __name__ == "__main__":
    main()
