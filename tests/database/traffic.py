"""Clients that write while the database's server goes away."""

import threading
import time

import httpx2

from tests.service import PASSWORD, new_address


class Traffic:
    """Clients that register in a loop; records the answers and the slowest time."""

    def __init__(self, url: str) -> None:
        self.kept: list[str] = []
        self.refused: list[httpx2.Response] = []
        self.other: list[httpx2.Response] = []
        self.slowest = 0.0
        self._url = url
        self._enough = threading.Event()

    def register(self) -> None:
        with httpx2.Client(base_url=self._url, timeout=60, verify=False) as client:
            while not self._enough.is_set():
                person = {"email": new_address(), "password": PASSWORD}
                start = time.monotonic()
                answer = client.post("/auth/register", json=person)
                self.slowest = max(self.slowest, time.monotonic() - start)
                if answer.status_code == 201:
                    self.kept.append(person["email"])
                elif answer.status_code == 503:
                    self.refused.append(answer)
                    time.sleep(0.05)
                else:
                    self.other.append(answer)

    def wait_for_more(self, answers: list[str] | list[httpx2.Response], n: int = 20) -> None:
        enough, deadline = len(answers) + n, time.monotonic() + 30
        while len(answers) < enough:
            assert time.monotonic() < deadline, (len(self.kept), len(self.refused), self.other[:1])
            time.sleep(0.02)

    def stop(self) -> None:
        self._enough.set()
