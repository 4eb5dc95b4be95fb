"""Clients that ask in a closed loop, for what takes so long that wrk's cut at the end would count.

wrk forgets what is under way when its time is over: of slow answers, that is many.
"""

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
    """So many clients, each asks again as soon as it is answered; a context manager.

    The block begins when each client has been answered once. What was answered within the block
    counts: `found` has it afterwards, and `failed` the percentage of answers that were forgiven.
    Raises RuntimeError at the end if any other answer was no good one.
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
            pass  # somebody else was not answered
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
