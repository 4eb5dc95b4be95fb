"""The contenders: how each is started, and its requests."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from app.settings.database_url import with_driver
from benchmarks.environments import PEERS, PINS, ROOT, node, python

PASSWORD = "excalibur 1"
SECRET = "0Jt4vKx8mQ2yWc6ZrLhB1nDf7sGp5uEa9iTo3XkVbMqR"

Headers = tuple[tuple[str, str], ...]


class Request(NamedTuple):
    """A request."""

    method: str
    path: str
    headers: Headers = ()
    body: str = ""


class Answer(NamedTuple):
    """An answer; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: str


class Api(ABC):
    """The requests of a contender."""

    me: str

    @abstractmethod
    def register(self, address: str) -> Request:
        """Return the request that creates an account."""

    @abstractmethod
    def login(self, address: str) -> Request:
        """Return the request that opens a session."""

    @abstractmethod
    def credentials(self, answer: Answer) -> Headers:
        """Return the headers of requests with the session that `answer` opened."""

    def who_am_i(self, headers: Headers = ()) -> Request:
        return Request("GET", self.me, headers)


class FastapiUsers(Api):
    """fastapi-users' contract, which Keystead shares."""

    me = "/users/me"

    def register(self, address: str) -> Request:
        return _json("/auth/register", email=address, password=PASSWORD)

    def login(self, address: str) -> Request:
        kind = ("Content-Type", "application/x-www-form-urlencoded")
        body = urlencode({"username": address, "password": PASSWORD})
        return Request("POST", "/auth/jwt/login", (kind,), body)

    def credentials(self, answer: Answer) -> Headers:
        return (("Authorization", f"Bearer {json.loads(answer.body)['access_token']}"),)


class BetterAuth(Api):
    """better-auth's requests, whose sessions are a cookie."""

    me = "/api/auth/get-session"

    def register(self, address: str) -> Request:
        return _json("/api/auth/sign-up/email", email=address, password=PASSWORD, name="Arthur")

    def login(self, address: str) -> Request:
        return _json("/api/auth/sign-in/email", email=address, password=PASSWORD)

    def credentials(self, answer: Answer) -> Headers:
        return (("Cookie", answer.headers["set-cookie"].partition(";")[0]),)


class Floor(FastapiUsers):
    """A floor: answers GET /users/me alone, for one session."""

    login_id = "0" * 32

    def who_am_i(self, headers: Headers = ()) -> Request:
        return Request("GET", self.me, (("Authorization", f"Bearer {self.login_id}"),))


@dataclass(frozen=True)
class Launch:
    """A command and its environment."""

    command: list[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Contender:
    """`launch`: takes a database's URL, a folder for files, and the port to serve on.

    `fails_on`: databases on which it answers 500 under concurrent writes. Such answers are not
    counted; any other failure ends the measurement.
    """

    name: str
    api: Api = field(repr=False)
    launch: Callable[[str, Path, int], Launch] = field(repr=False)
    fails_on: tuple[str, ...] = ()


def keystead(**settings: str) -> Callable[[str, Path, int], Launch]:
    """As an operator runs it: one worker, JSON logs, the local loop, mail to files."""

    def launch(url: str, folder: Path, port: int) -> Launch:
        environment = {
            "PYTHONPATH": str(ROOT),
            "KEYSTEAD_ENVIRONMENT": "production",
            "KEYSTEAD_DATABASE_URL": url,
            "KEYSTEAD_SECRET_KEY": SECRET,
            "KEYSTEAD_BASE_URL": f"http://127.0.0.1:{port}",
            "KEYSTEAD_MAIL_URL": f"file:{folder}/mail",
            "KEYSTEAD_MAIL_FROM": "Example <accounts@example.org>",
            **{f"KEYSTEAD_{name.upper()}": value for name, value in settings.items()},
        }
        command = [str(keystead_python()), "-m", "app", "serve", "--port", str(port)]
        return Launch(command, environment)

    return launch


def keystead_python() -> Path:
    """Return the Python with the packages of `./keystead serve` and each database's driver."""
    return python("keystead", PINS / "app.txt", PINS / "lambda.txt")


def example(module: str, *folders: str) -> Callable[[str, Path, int], Launch]:
    """As fastapi-users' documentation runs it: uvicorn with its recommended extras, and its log."""

    def launch(url: str, folder: Path, port: int) -> Launch:
        environment = {
            "PYTHONPATH": ":".join(str(PEERS / each) for each in folders),
            "DATABASE_URL": with_driver(url),
            "SECRET": SECRET,
        }
        uvicorn = [str(example_python()), "-m", "uvicorn", f"{module}:app", "--port", str(port)]
        return Launch(uvicorn, environment)

    return launch


def example_python() -> Path:
    """Return the Python with the example's packages and uvicorn's recommended ones."""
    folder = PEERS / "fastapi_users_example"
    return python("example", folder / "requirements.txt", folder / "server.txt")


def better_auth(url: str, folder: Path, port: int) -> Launch:
    """As in its documentation, on Node's own server."""
    package = node("better_auth")
    environment = {
        "NODE_ENV": "production",
        "BASE_URL": f"http://127.0.0.1:{port}",
        "DATABASE_URL": url,
        "SECRET": SECRET,
        "PORT": str(port),
        "BETTER_AUTH_TELEMETRY": "0",
    }
    return Launch([f"{package}/node_modules/.bin/node", f"{package}/server.js"], environment)


def floor(module: str) -> Callable[[str, Path, int], Launch]:
    """Tuned, with Keystead's packages: uvicorn with its fastest loop and parser, and no log."""

    def launch(url: str, folder: Path, port: int) -> Launch:
        environment = {"PYTHONPATH": str(ROOT), "DATABASE_URL": with_driver(url)}
        name = f"benchmarks.peers.floors.{module}:app"
        uvicorn = [str(keystead_python()), "-m", "uvicorn", name, "--port", str(port)]
        return Launch([*uvicorn, "--no-access-log"], environment)

    return launch


# The parameters of the example's hash, its library's default.
EXAMPLES_HASH = {
    "argon2_memory_kib": "65536",
    "argon2_time_cost": "3",
    "argon2_parallelism": "4",
}
_EXAMPLE = "fastapi_users_example"

KEYSTEAD = Contender("Keystead", FastapiUsers(), keystead())
KEYSTEAD_EQUAL = Contender(
    "Keystead, the example's hash", FastapiUsers(), keystead(**EXAMPLES_HASH)
)
EXAMPLE = Contender("the example", FastapiUsers(), example("app", _EXAMPLE), fails_on=("sqlite",))
EXAMPLE_DATABASE = Contender(
    "the example, DatabaseStrategy",
    FastapiUsers(),
    example("logins", "database_strategy_example", _EXAMPLE),
    fails_on=("sqlite",),
)
BETTER_AUTH = Contender("better-auth", BetterAuth(), better_auth)
FLOORS = (
    Contender("bare FastAPI", Floor(), floor("with_fastapi")),
    Contender("bare Starlette", Floor(), floor("with_starlette")),
    Contender("bare Starlette, no SQLAlchemy", Floor(), floor("with_driver")),
)
SERVICES = (KEYSTEAD, EXAMPLE, EXAMPLE_DATABASE, BETTER_AUTH)


def surroundings() -> dict[str, str]:
    """Return this process's environment without variables that configure a contender."""
    ours = ("KEYSTEAD_", "PYTHON", "VIRTUAL_ENV", "DATABASE_URL", "BETTER_AUTH", "NODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _json(path: str, **body: str) -> Request:
    return Request("POST", path, (("Content-Type", "application/json"),), json.dumps(body))
