"""A real nginx, from PATH or from Debian's packages."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.databases import debian

CACHE = Path(__file__).parents[2] / ".cache"
WAIT_SECONDS = 30

_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {servers}
}}
"""


@contextmanager
def nginx(folder: Path, servers: str, port: int) -> Iterator[None]:
    """Run nginx with the `server` blocks of `servers`, one of which listens on `port`."""
    folder.mkdir()
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, servers=servers))
    log = folder / "error.log"
    process = subprocess.Popen(
        [*_command(), "-p", str(folder), "-e", str(log), "-c", str(configuration)],
        stdin=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)


def _command() -> list[str]:
    found = shutil.which("nginx")
    if found is not None:
        return [found]
    return debian.command(debian.unpack("nginx", ["nginx"], CACHE), "usr/sbin/nginx")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
