"""A contender's running server."""

import http.client
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Literal

from benchmarks.contenders import Answer, Contender, Headers, Request, surroundings
from tests import databases
from tests.databases import database_url
from tests.databases.server import free_port
from tests.service import new_address

START_SECONDS = 60
POLL_SECONDS = 0.002


class Server:
    """A process of its own, with the database and the files of `folder`; a context manager."""

    def __init__(self, contender: Contender, folder: Path) -> None:
        self.contender = contender
        self.api = contender.api
        self.folder = folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.start_seconds = 0.0
        """From the start of the process to the first answer."""

    @property
    def forgiven(self) -> tuple[int, ...]:
        """Failures that do not end a measurement, but are not counted."""
        return (500,) if databases.server().name in self.contender.fails_on else ()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, request: Request) -> Answer:
        """Return the answer. Raises OSError without one."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(
                request.method, request.path, request.body or None, dict(request.headers)
            )
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read().decode())
        finally:
            connection.close()

    def done(self, request: Request) -> Answer:
        """Return the answer, which must be a success."""
        answer = self.ask(request)
        assert answer.status < 300, (self.contender.name, request.path, answer)
        return answer

    def register(self) -> str:
        """Create an account; return its address."""
        address = new_address()
        self.done(self.api.register(address))
        return address

    def login(self, address: str) -> Headers:
        """Log in; return the headers of requests with that session."""
        return self.api.credentials(self.done(self.api.login(address)))

    def memory_mb(self, figure: Literal["VmRSS", "VmHWM"]) -> float:
        """Return the present memory of the process in MB, or its peak."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        [kib] = re.findall(rf"{figure}:\s+(\d+) kB", status)
        return int(kib) * 1_024 / 1_000_000

    def __enter__(self) -> "Server":
        self.folder.mkdir(parents=True, exist_ok=True)
        launch = self.contender.launch(database_url(self.folder), self.folder, self._port)
        log = self.folder / "log"
        with log.open("ab") as file:
            begun = time.perf_counter()
            self._process = subprocess.Popen(
                launch.command,
                cwd=self.folder,
                env={**surroundings(), **launch.environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            self._wait_for_an_answer(begun, log)
        except BaseException:
            self._stop()
            raise
        return self

    def _wait_for_an_answer(self, begun: float, log: Path) -> None:
        while True:
            try:
                self.ask(self.api.who_am_i())
                self.start_seconds = time.perf_counter() - begun
                return
            except OSError:
                late = time.perf_counter() - begun > START_SECONDS
                if late or self._process.poll() is not None:
                    said = log.read_text()[-2_000:]
                    raise RuntimeError(f"{self.contender.name} does not start: {said}") from None
            time.sleep(POLL_SECONDS)

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __exit__(self, *_: object) -> None:
        self._stop()
