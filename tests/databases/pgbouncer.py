"""PgBouncer in front of a PostgreSQL server: from PATH, or from Debian's package."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sqlalchemy import make_url

from tests.databases import debian
from tests.databases.mysql import CACHE
from tests.databases.server import START_SECONDS, execute, free_port

Mode = Literal["session", "transaction"]


@contextmanager
def pgbouncer(url: str, mode: Mode, **settings: str) -> Iterator[str]:
    """Run a PgBouncer in front of the server at `url`; give the URL of the same database there."""
    server = make_url(url)
    options = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(free_port()),
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": mode,
        "max_client_conn": "500",
        **({"user": "nobody"} if os.geteuid() == 0 else {}),
        **settings,
    }
    place = f"host={server.host} port={server.port} user={server.username}"
    if server.password:
        place += f" password={server.password}"
    lines = ["[databases]", f"* = {place}", "[pgbouncer]"]
    lines += [f"{name} = {value}" for name, value in options.items()]
    with tempfile.TemporaryDirectory(prefix="keystead-pgbouncer-") as folder:
        file, log = Path(folder, "pgbouncer.ini"), Path(folder, "log")
        file.write_text("\n".join(lines) + "\n")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*_program(), str(file)], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        through = server.set(host="127.0.0.1", port=int(options["listen_port"]))
        try:
            _wait_for(through.render_as_string(hide_password=False), process, log)
            yield through.render_as_string(hide_password=False)
        finally:
            process.kill()
            process.wait(START_SECONDS)


def _program() -> list[str]:
    found = shutil.which("pgbouncer")
    if found is not None:
        return [found]
    try:
        root = debian.unpack("pgbouncer", ["pgbouncer"], CACHE)
    except debian.PackageUnavailable as error:
        raise RuntimeError(f"{error}: put pgbouncer on PATH") from error
    return debian.command(root, "usr/sbin/pgbouncer")


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            execute(url, "SELECT 1")
            return
        except Exception:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"pgbouncer does not start:\n{log.read_text()}") from None
            time.sleep(0.05)
