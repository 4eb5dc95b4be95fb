"""A running Keystead: in this process, or as a server of its own."""

import email
import email.policy
import io
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

import httpx2
from starlette.testclient import TestClient

from app.cli import main as cli
from app.jobs import JOBS
from app.main import create_app
from app.settings.model import Settings
from tests.databases import connection_settings
from tests.databases.server import free_port

SECRET = "a-secret-that-only-tests-know-32-characters-or-more"
TICK_TOKEN = "a-token-that-only-tests-know"
METRICS_TOKEN = "another-token-that-only-tests-know"
SERVICE_TOKEN = "a-third-token-that-only-tests-know"
PASSWORD = "excalibur 1"
WAIT_SECONDS = 60
# Those of `app/jobs.py`, so that a job of the project's owner breaks no test.
JOB_NAMES = [job.name for job in JOBS]


@dataclass(frozen=True)
class Account:
    """A registered account."""

    id: str
    email: str
    password: str = PASSWORD


@dataclass
class Service:
    """A running Keystead, and a client of it."""

    client: httpx2.Client
    folder: Path
    environment: Mapping[str, str]
    inboxes: dict[str, list[EmailMessage]] = field(default_factory=lambda: defaultdict(list))
    read: Counter[str] = field(default_factory=Counter)
    _files: set[Path] = field(default_factory=set)

    @property
    def period(self) -> int:
        """Seconds between two occurrences of the counting job."""
        return int(self.environment.get("KEYSTEAD_TICK_SECONDS", "10"))

    def register(self, address: str | None = None, password: str = PASSWORD) -> Account:
        address = address or new_address()
        answer = self.client.post("/auth/register", json={"email": address, "password": password})
        assert answer.status_code == 201, answer.text
        return Account(answer.json()["id"], answer.json()["email"], password)

    def login(self, account: Account) -> dict[str, str]:
        """Log in and return the headers of requests with that login."""
        answer = self.try_login(account.email, account.password)
        assert answer.status_code == 200, answer.text
        return bearer(answer.json()["access_token"])

    def try_login(self, username: str, password: str) -> httpx2.Response:
        form = {"username": username, "password": password}
        return self.client.post("/auth/jwt/login", data=form)

    def who_am_i(self, headers: dict[str, str]) -> set[int]:
        """Send GET /users/me on many connections at once, so that every worker answers; return the
        codes.
        """

        def ask(_: int) -> int:
            if isinstance(self.client, TestClient):
                return self.client.get("/users/me", headers=headers).status_code
            url = self.client.base_url.join("/users/me")
            return get(str(url), headers).status_code

        with ThreadPoolExecutor(16) as threads:
            return set(threads.map(ask, range(32)))

    def readiness(self) -> httpx2.Response:
        """Return the answer of the readiness probe, which a busy machine is asked for again."""
        for _ in range(10):
            answer = self.client.get("/health/ready")
            if "has not answered within" not in answer.text:
                break
        return answer

    def superuser(self) -> Account:
        address = new_address()
        said = self.command("user", "create", address, "--superuser", "--password-stdin")
        return Account(said.split()[-1], address)

    def command(self, *arguments: str, stdin: str = PASSWORD, code: int = 0) -> str:
        """Run the operator's command, check its exit code, and return its output."""
        return run_command(self.environment, *arguments, stdin=stdin, code=code)

    def letter(self, address: str) -> EmailMessage:
        """Return the oldest unread message to `address`; wait for it."""
        deadline = time.monotonic() + WAIT_SECONDS
        while len(self.letters(address)) <= self.read[address]:
            assert time.monotonic() < deadline, f"no mail for {address}"
            time.sleep(0.02)
        self.read[address] += 1
        return self.inboxes[address][self.read[address] - 1]

    def letters(self, address: str) -> list[EmailMessage]:
        """Return the messages to `address` that have arrived."""
        new = set(self.folder.glob("mail/*.eml")) - self._files
        for path in sorted(new):
            message = read_message(path)
            self.inboxes[message["To"]].append(message)
        self._files |= new
        return self.inboxes[address]

    def token(self, address: str) -> str:
        """Return the token in the next message to `address` that has one."""
        while True:
            token = find_token(self.letter(address))
            if token is not None:
                return token


def get(url: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    """Send GET on a new connection; without loading certificates, which takes 30 ms."""
    return httpx2.get(url, headers=headers, timeout=60, verify=False)


def new_address() -> str:
    return f"k{uuid4().hex}@camelot.bt"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def read_message(path: Path) -> EmailMessage:
    with path.open("rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert isinstance(body, EmailMessage)
    content: str = body.get_content()
    return content


def token_in(message: EmailMessage) -> str:
    """Return the line of a message that is a token."""
    token = find_token(message)
    assert token is not None, f"{message['Subject']} has no token"
    return token


def find_token(message: EmailMessage) -> str | None:
    """Return the line of a message that is a token; None for a notice."""
    return next((line for line in text_of(message).splitlines() if line.startswith("eyJ")), None)


def make_environment(folder: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a Keystead whose files are in `folder`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("KEYSTEAD_") and name != "DATABASE_URL"
    }
    if "database_url" not in settings:
        settings |= connection_settings(folder)
    return {
        **kept,
        "KEYSTEAD_MAIL_URL": f"file:{folder}/mail",
        "KEYSTEAD_SECRET_KEY": SECRET,
        "KEYSTEAD_TICK_TOKEN": TICK_TOKEN,
        "KEYSTEAD_METRICS_TOKEN": METRICS_TOKEN,
        "KEYSTEAD_SERVICE_TOKEN": SERVICE_TOKEN,
        # Cheap hashes: these tests do not measure them.
        "KEYSTEAD_ARGON2_MEMORY_KIB": "64",
        **{f"KEYSTEAD_{name.upper()}": value for name, value in settings.items()},
    }


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Return the settings of a process with `environment`."""
    names = {name.removeprefix("KEYSTEAD_").lower(): name for name in environment}
    values: dict[str, Any] = {
        field: environment[names[field]]
        for field in Settings.model_fields
        if field in names and names[field].startswith("KEYSTEAD_")
    }
    return Settings(_env_file=None, **values)


def run_command(
    environment: Mapping[str, str], *arguments: str, stdin: str = "", code: int = 0
) -> str:
    """Run `keystead`, expect the exit code, and return its output on both streams."""
    return run_main(cli.main, environment, ["keystead", *arguments], stdin, code)


def run_main(
    main: Callable[[], None],
    environment: Mapping[str, str],
    arguments: list[str],
    stdin: str = "",
    code: int = 0,
) -> str:
    """Run a console script's function in this process: a new one takes a second."""
    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "argv", arguments),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        redirect_stdout(printed),
        redirect_stderr(printed),
    ):
        try:
            main()
            exit_code: object = 0
        except SystemExit as end:
            exit_code = end.code or 0
    assert exit_code == code, printed.getvalue()
    return printed.getvalue()


@contextmanager
def in_process(folder: Path, **settings: str) -> Iterator[Service]:
    """Run Keystead in this process."""
    environment = make_environment(folder, **settings)
    run_command(environment, "migrate")
    app = create_app(settings_from(environment))
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield Service(client, folder, environment)


@contextmanager
def over_tcp(folder: Path, workers: int = 1, **settings: str) -> Iterator[Service]:
    """Run Keystead as an operator would: `keystead serve`, which migrates first."""
    port = free_port()
    environment = make_environment(folder, **settings)
    with (
        Server(environment, port, workers, folder / "log") as server,
        httpx2.Client(base_url=server.url, timeout=60, verify=False) as client,
    ):
        yield Service(client, folder, environment)


class Server:
    """A `keystead serve` in a process group of its own."""

    def __init__(
        self,
        environment: Mapping[str, str],
        port: int,
        workers: int,
        log: Path,
        host: str = "127.0.0.1",
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        self._environment = environment
        served = ["--host", host, "--port", str(port)]
        self._arguments = ["serve", *served, "--workers", str(workers)]

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> "Server":
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app", *self._arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if get(f"{self.url}/health/ready").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def stop(self) -> int:
        """Send SIGTERM, as an operator or a scheduler does; return the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(WAIT_SECONDS)

    def kill(self) -> None:
        """Kill it and its workers."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait(WAIT_SECONDS)

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
                raise
