"""The secret is rotated on two hosts while clients use both: no request is refused."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import httpx2
import pytest

from app import clock
from tests.databases import in_database
from tests.databases.server import free_port
from tests.service import PASSWORD, SECRET, Server, bearer, make_environment, new_address

pytestmark = pytest.mark.only("sqlite")

OLD, NEW = SECRET, SECRET[::-1]
STEPS = (f"{OLD},{NEW}", f"{NEW},{OLD}", NEW)
CLIENTS = 3
SECONDS = 60
"""After which a client has failed to finish a round."""
PAUSE = 0.03
"""Seconds between two requests of a client, which leave the starting servers some of a core."""
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


class Client:
    """An account that stays signed in with a refresh token and a cookie, and logs in again too.

    Each request goes to the other host than the one before, or to the same if that is down.
    """

    def __init__(self, hosts: Iterator[str], stopped: threading.Event) -> None:
        self.rounds = 0
        self.oldest: str | None = None
        """An access token of the first log-in, which is used besides the current one."""
        self.answers: Counter[tuple[str, int]] = Counter()
        self._hosts = hosts
        self._stopped = stopped
        self._form = {"username": new_address(), "password": PASSWORD}
        # httpx2 keeps cookies, as a browser does.
        self._browser = httpx2.Client(timeout=SECONDS, verify=False)
        self._api = httpx2.Client(timeout=SECONDS, verify=False)

    def run(self) -> None:
        with self._api, self._browser:
            account = {"email": self._form["username"], "password": PASSWORD}
            self._send(self._api, "POST", "/auth/register", json=account)
            self._send(
                self._browser, "POST", "/auth/cookie/login", data=self._form, headers=OWN_PAGE
            )
            pair = self._log_in()
            self.oldest = pair["access_token"]
            while not self._stopped.is_set():
                self._ask(self.oldest or pair["access_token"])
                body = {"refresh_token": pair["refresh_token"]}
                pair = self._send(self._api, "POST", "/auth/jwt/refresh", json=body).json()
                self._ask(pair["access_token"])
                self._ask(self._log_in()["access_token"])
                self._send(self._browser, "GET", "/users/me")
                self.rounds += 1

    def _log_in(self) -> dict[str, str]:
        answer = self._send(self._api, "POST", "/auth/jwt/login", data=self._form)
        pair: dict[str, str] = answer.json()
        return pair

    def _ask(self, access_token: str) -> None:
        self._send(self._api, "GET", "/users/me", headers=bearer(access_token))

    def _send(
        self,
        client: httpx2.Client,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        json: dict[str, str] | None = None,
        data: dict[str, str] | None = None,
    ) -> httpx2.Response:
        deadline = time.monotonic() + SECONDS
        time.sleep(PAUSE)
        while True:
            url = next(self._hosts) + path
            try:
                answer = client.request(method, url, headers=headers, json=json, data=data)
                break
            except httpx2.TransportError:
                assert time.monotonic() < deadline
        self.answers[f"{method} {path}", answer.status_code] += 1
        assert answer.is_success, f"{method} {url}: {answer.status_code} {answer.text}"
        return answer


class Load:
    """Clients that use the hosts until the end of the block. Raises what one of them raised."""

    def __init__(self, hosts: list[str]) -> None:
        self._stopped = threading.Event()
        # Every other one begins with the other host.
        turns = [hosts[n % 2 :] + hosts[: n % 2] for n in range(CLIENTS)]
        self.clients = [Client(cycle(each), self._stopped) for each in turns]
        self._threads = ThreadPoolExecutor(CLIENTS)

    def __enter__(self) -> "Load":
        self._running = [self._threads.submit(client.run) for client in self.clients]
        return self

    def wait_for_rounds(self) -> None:
        """Wait until each client has finished the round it is in and another one."""
        before = [client.rounds for client in self.clients]
        deadline = time.monotonic() + SECONDS
        while any(
            client.rounds < rounds + 2 for client, rounds in zip(self.clients, before, strict=True)
        ):
            for each in self._running:
                if each.done():
                    each.result()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._threads.shutdown()
        for each in self._running:
            each.result()


def test_a_rotation_on_two_hosts_refuses_no_request(tmp_path: Path) -> None:
    environment = make_environment(
        tmp_path, tick_seconds="0", base_url="http://id.camelot.bt", secret_key=OLD
    )
    ports = [free_port(), free_port()]

    def start(stack: ExitStack, host: int, ring: str) -> Server:
        changed = environment | {"KEYSTEAD_SECRET_KEY": ring}
        return stack.enter_context(Server(changed, ports[host], 1, tmp_path / f"log-{host}"))

    with ExitStack() as stack:
        running = [start(stack, host, OLD) for host in (0, 1)]
        with Load([server.url for server in running]) as load:
            load.wait_for_rounds()
            for ring in STEPS:
                if ring == NEW:
                    let_days_pass(tmp_path, load)
                for host in (0, 1):
                    running[host].stop()
                    running[host] = start(stack, host, ring)
                    load.wait_for_rounds()
    answers: Counter[tuple[str, int]] = sum((one.answers for one in load.clients), Counter())
    assert {status for _, status in answers} == {200, 201, 204}
    assert all("Traceback" not in path.read_text() for path in tmp_path.glob("log-*"))


def let_days_pass(folder: Path, load: Load) -> None:
    """Wait until each client has used its session, as far as the hosts can know."""
    for client in load.clients:
        client.oldest = None  # it has expired
    # A cookie is renewed by its first use after five minutes.
    before = clock.now() - timedelta(minutes=6)
    in_database(folder, "UPDATE user_session SET last_seen_at = :before", before=before)
    load.wait_for_rounds()
