"""A minute of hostile clients: the slowest answer to a probe, and the server's memory.

Exits with 1 if a probe is not answered with 200 within half a second, or if the memory grows by
more than 50 MB. The server is its own, on loopback, as are the clients, in a process beside it.

.tox/sqlite/bin/python -m benchmarks.hostile [--seconds 60] [--workers 1]
"""

import argparse
import asyncio
import http.client
import multiprocessing
import os
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import httpx2
from rich.console import Console

from benchmarks.attack import Address, attack
from tests import databases
from tests.databases.server import free_port
from tests.service import Server, Service, make_environment

MOST_SECONDS = 0.5
MOST_MB = 50
QUIET_SECONDS = 5
"""For how long the probe asks before the attack, to show what the machine is capable of."""
PAUSE = 0.05
"""Seconds between two probes, and between two looks at the memory."""


class Probe:
    """Asks for the health on new connections, in a thread, within the block."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.took: list[float] = []
        self.statuses: Counter[int | str] = Counter()

    def __enter__(self) -> "Probe":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def __str__(self) -> str:
        p99 = sorted(self.took)[len(self.took) * 99 // 100]
        answers = f"{len(self.took)} probes, answered {dict(self.statuses)}"
        return f"{answers}, 99 % within {p99:.3f} s, the slowest in {max(self.took):.3f} s"

    def _run(self) -> None:
        while not self._over.is_set():
            for path in ("/health/live", "/health/ready"):
                begun = time.perf_counter()
                self.statuses[self._ask(path)] += 1
                self.took.append(time.perf_counter() - begun)
            time.sleep(PAUSE)

    def _ask(self, path: str) -> int | str:
        connection = http.client.HTTPConnection(*self._address, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()


class Usage:
    """What a process and its workers use: MB of memory at the start and at most, seconds of CPU."""

    def __init__(self, group: int) -> None:
        self._group = group
        self.start_mb, self.start_cpu = self.most_mb, self.cpu = self._now()

    def look(self) -> None:
        mb, self.cpu = self._now()
        self.most_mb = max(self.most_mb, mb)

    def _now(self) -> tuple[float, float]:
        kib = ticks = 0
        for process in Path("/proc").glob("[0-9]*"):
            try:
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                if int(fields[2]) == self._group:
                    found = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())
                    kib += int(found.group(1)) if found else 0
                    ticks += int(fields[11]) + int(fields[12])
            except OSError:
                pass  # it has ended
        return kib * 1_024 / 1_000_000, ticks / os.sysconf("SC_CLK_TCK")


def warm(service: Service) -> None:
    """Let the server allocate what ordinary requests need: a hash of 20 MB for each core."""
    person = service.register()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: service.login(person), range(16)))
    for path in ("/docs", "/openapi.json", "/swagger/swagger-ui-bundle.js", "/health/ready"):
        assert service.client.get(path).status_code == 200


def run_attack(address: Address, seconds: float) -> Counter[str]:
    return asyncio.run(attack(address, seconds))


def measure(folder: Path, seconds: float, workers: int, say: Callable[[str], None]) -> bool:
    """Attack a server, with a probe beside it; return whether it is within the limits."""
    address = ("127.0.0.1", free_port())
    environment = make_environment(folder, argon2_memory_kib="19456")
    with (
        Server(environment, address[1], workers, folder / "log") as server,
        httpx2.Client(base_url=server.url, timeout=60, verify=False) as client,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as attackers,
    ):
        warm(Service(client, folder, environment))
        with Probe(address) as before:
            time.sleep(QUIET_SECONDS)
        say(f"without attackers: {before}")
        usage = Usage(server.pid)
        with Probe(address) as probe:
            attacked = attackers.submit(run_attack, address, seconds)
            while not attacked.done():
                usage.look()
                time.sleep(PAUSE)
        heard = attacked.result()
    grown = usage.most_mb - usage.start_mb
    say(f"under attack: {probe}")
    say(f"memory: {usage.start_mb:.0f} MB, grown by {grown:.0f} MB at most")
    say(f"CPU: {usage.cpu - usage.start_cpu:.0f} s of the server's, in {seconds:.0f} s")
    say(f"{heard.total()} hostile requests, answered {dict(heard.most_common())}")
    return set(probe.statuses) == {200} and max(probe.took) < MOST_SECONDS and grown < MOST_MB


def main() -> int:
    """Measure and print; return 1 beyond a limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    say = Console(highlight=False, soft_wrap=True, markup=False).print
    with tempfile.TemporaryDirectory() as folder, databases.open_server("sqlite") as database:
        databases.use(database)
        return 0 if measure(Path(folder), asked.seconds, asked.workers, say) else 1


if __name__ == "__main__":
    sys.exit(main())
