"""Load on a server: wrk, a program of Debian's packages, which is unpacked and not installed."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders import Request
from benchmarks.environments import ROOT
from tests.databases import debian

SCRIPT = Path(__file__).with_name("load.lua")
TIMEOUT = 60  # seconds


class Load(NamedTuple):
    """What a closed loop of requests found: answers a second, and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


def press(url: str, request: Request, connections: int, seconds: int) -> Load:
    """Ask for as long on as many connections, each the next once the last was answered.

    `%d` in the body becomes the request's number. Raises RuntimeError if any answer was no answer,
    or its status one of those from 400.
    """
    return begin(url, request, connections, seconds).wait()


class Pressing:
    """A load that is under way."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )

    def wait(self) -> Load:
        """Wait until it is over, and return what it found."""
        said, _ = self._process.communicate()
        if self._process.returncode != 0:
            raise RuntimeError(f"wrk failed: {said}")
        told = json.loads(said.splitlines()[-1])
        if told["faults"] or not told["requests"]:
            raise RuntimeError(f"not all was answered: {said}")
        return Load(told["requests"] / told["seconds"], told["p50"], told["p99"])


def begin(url: str, request: Request, connections: int, seconds: int) -> Pressing:
    """As `press`, but return at once."""
    options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    headers = [word for name, value in request.headers for word in ("-H", f"{name}: {value}")]
    script = ["--timeout", f"{TIMEOUT}s", "--script", str(SCRIPT)]
    told = [request.method, request.body]
    return Pressing([*_wrk(), *options, *headers, *script, url + request.path, "--", *told])


@cache
def _wrk() -> list[str]:
    root = debian.unpack("wrk", ["wrk"], ROOT / ".cache")
    return debian.command(root, "usr/bin/wrk")
