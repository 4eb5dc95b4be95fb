"""Clients in a closed loop, for slow requests: wrk discards the ones running at its end."""

import http.client
import statistics
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from benchmarks.contenders import Request
from benchmarks.load import TIMEOUT, Load
from benchmarks.server import Server


class Loop:
    """Clients that send their next request after each answer; a context manager.

    The block starts when each client has its first answer. Answers within the block count: `found`
    has the result afterwards, and `failed` the percentage of tolerated failures. Raises
    RuntimeError at the end for any other failure.
    """

    def __init__(self, server: Server, make: Callable[[], Request], clients: int) -> None:
        self._address = urlsplit(server.url).netloc
        self._forgiven = server.forgiven
        self._failures = 0
        self._make = make
        self._answered: list[tuple[float, float]] = []
        self._faults: list[str] = []
        self._over = threading.Event()
        self._warm = threading.Barrier(clients + 1)
        self._threads = [threading.Thread(target=self._ask_on) for _ in range(clients)]

    def __enter__(self) -> "Loop":
        for thread in self._threads:
            thread.start()
        try:
            self._warm.wait(TIMEOUT)
        except threading.BrokenBarrierError:
            self._end()
            raise RuntimeError(f"not all was answered: {self._faults[:1]}") from None
        self._begun = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        ended = time.perf_counter()
        self._end()
        if self._faults:
            raise RuntimeError(f"not all was answered: {self._faults[:1]}")
        took = [took for at, took in self._answered if self._begun < at <= ended]
        if len(took) < 2:
            raise RuntimeError("too little was answered: take more --seconds")
        cuts = statistics.quantiles(took, n=100, method="inclusive")
        self.failed = 100 * self._failures / (self._failures + len(self._answered))
        self.found = Load(len(took) / (ended - self._begun), cuts[49] * 1_000, cuts[98] * 1_000)

    def _end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask_on(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT)
        try:
            self._ask(connection)
            self._warm.wait(TIMEOUT)
            while not self._over.is_set():
                self._ask(connection)
        except threading.BrokenBarrierError:
            pass  # another client failed
        except Exception as error:
            self._faults.append(str(error) or type(error).__name__)
            self._warm.abort()
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        method, path, headers, body = self._make()
        begun = time.perf_counter()
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        said = answer.read()
        ended = time.perf_counter()
        if answer.status in self._forgiven:
            self._failures += 1
            return
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status} {said[:200]!r}")
        self._answered.append((ended, ended - begun))
