"""A database server for the tests, and how it is started."""

import asyncio
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Self

from sqlalchemy import URL, NullPool, Row, event, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

START_SECONDS = 30


class Server(ABC):
    """A database server, as a context manager.

    `given`: the URL, as administrator, of a running server; without it one is started.
    """

    name: ClassVar[str]
    version: str

    def __init__(self, given: str = "") -> None:
        self.made: set[str] = set()
        self._given = given

    def name_for(self, folder: Path) -> str:
        """Return the name of the database that belongs to `folder`."""
        return f"k_{sha256(str(folder).encode()).hexdigest()[:24]}"

    @abstractmethod
    def url(self, database: str) -> str:
        """Return the URL of `database` on this server, as an operator writes it."""

    @abstractmethod
    def create(self, database: str) -> None:
        """Create an empty database."""

    @abstractmethod
    def copy(self, source: str, target: str) -> None:
        """Create `target` as a copy of `source`, which must be unused."""

    @abstractmethod
    def drop(self, database: str) -> None:
        """Drop `database` and its connections, if it exists."""

    @property
    @abstractmethod
    def address(self) -> str:
        """The URL for another process of this run."""

    @abstractmethod
    def faults(self, database: str) -> list[str]:
        """Return the damage that the server finds in `database`."""

    def start(self) -> None:  # noqa: B027, there may be nothing to start
        """Start it, unless it was given; read its version."""

    def stop(self) -> None:
        """Stop it and remove its files; drop from a given server the databases of this run."""
        for database in list(self.made):
            self.drop(database)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class OwnServer(Server):
    """A server in a process of its own, in a temporary folder, on a free port of loopback."""

    def __init__(self, given: str = "") -> None:
        super().__init__(given)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self.certificate: Path | None = None
        """The file with certificate and key to offer TLS with; set before the start."""
        self.admin = make_url(given) if given else None

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Find the program and initialize its files in `folder`."""

    @abstractmethod
    def command(self, folder: Path, port: int) -> list[str]:
        """Return the command that serves on `port`."""

    @abstractmethod
    def admin_url(self, port: int) -> URL:
        """Return the administrator's URL."""

    @abstractmethod
    def read_version(self) -> str: ...

    def start(self) -> None:
        if self.admin is None:
            self._folder = Path(tempfile.mkdtemp(prefix=f"keystead-{self.name}-"))
            self.prepare(self._folder)
            if self.certificate is not None:
                self.certificate = Path(shutil.copy(self.certificate, self._folder))
                self.certificate.chmod(0o600)
                shutil.chown(self.certificate, self.identity().get("user", os.geteuid()))
            self.port = free_port()
            self.admin = self.admin_url(self.port)
            self.serve()
        self.version = self.read_version()

    def serve(self) -> None:
        """Start the prepared server, and wait until it answers."""
        assert self._folder is not None
        log = self._folder / "log"
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                self.command(self._folder, self.port),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                **self.identity(),
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.read_version()
                return
            except Exception:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} does not start:\n{log.read_text()}") from None
                time.sleep(0.05)

    def kill(self) -> None:
        """Kill the server."""
        assert self._process is not None
        os.killpg(self._process.pid, 9)
        self._process.wait(START_SECONDS)
        self._process = None

    def stop(self) -> None:
        if self._folder is None:
            super().stop()
        if self._process is not None:
            self.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder)

    def identity(self) -> dict[str, Any]:
        """Return the user to run as, for a program that refuses to be root."""
        return {}

    @property
    def folder(self) -> Path:
        """The folder of a server that was started."""
        assert self._folder is not None
        return self._folder

    @property
    def address(self) -> str:
        assert self.admin is not None
        return self.admin.render_as_string(hide_password=False)

    def url(self, database: str) -> str:
        assert self.admin is not None
        return self.admin.set(database=database).render_as_string(hide_password=False)

    def ask(self, statement: str, database: str | None = None) -> Sequence[Row[Any]]:
        """Execute one statement, as administrator, and return its rows."""
        assert self.admin is not None
        url = self.admin if database is None else self.admin.set(database=database)
        return asyncio.run(_ask(open_engine(url), text(statement)))


def open_engine(url: URL | str) -> AsyncEngine:
    """Return an engine that keeps no connection and commits each statement."""
    drivers = {
        "postgresql": "postgresql+asyncpg",
        "mysql": "mysql+aiomysql",
        "mariadb": "mariadb+aiomysql",
        "sqlite": "sqlite+aiosqlite",
    }
    parsed = make_url(url)
    parsed = parsed.set(drivername=drivers[parsed.get_backend_name()])
    engine = create_async_engine(parsed, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    if parsed.get_backend_name() == "sqlite":

        @event.listens_for(engine.sync_engine, "connect")
        def wait_for_writers(connection: Any, _: object) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA busy_timeout=10000")
            cursor.close()

    return engine


async def _ask(engine: AsyncEngine, statement: Any, **parameters: Any) -> Sequence[Row[Any]]:
    try:
        async with engine.connect() as connection:
            result = await connection.execute(statement, parameters)
            return result.fetchall() if result.returns_rows else []
    finally:
        await engine.dispose()


def execute(url: str, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Execute one statement on the database at `url`, commit, and return its rows."""
    rows = asyncio.run(_ask(open_engine(url), text(statement), **parameters))
    return [tuple(row) for row in rows]


@contextmanager
def holding(url: str, *statements: str) -> Iterator[None]:
    """Execute `statements` on a connection to the database at `url`, open for the block."""

    async def hold(connection: AsyncConnection) -> None:
        await connection.start()
        for statement in statements:
            await connection.exec_driver_sql(statement)

    with asyncio.Runner() as runner:
        engine = open_engine(url)
        connection = engine.connect()
        try:
            runner.run(hold(connection))
            yield
        finally:
            runner.run(connection.close())
            runner.run(engine.dispose())


def free_port() -> int:
    """Return a port that is free, and that the system gives to no outgoing connection."""
    while True:
        # Below the system's range of ephemeral ports.
        port = random.SystemRandom().randrange(15_000, 32_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
