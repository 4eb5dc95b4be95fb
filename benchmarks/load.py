"""Load on a server: wrk, from Debian's package, unpacked and not installed."""

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
    """The result of a closed loop: answers a second, and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


def press(url: str, request: Request, connections: int, seconds: int) -> Load:
    """Send GET in closed loops on several connections.

    Raises RuntimeError for a failed request, or a status of 400 or more.
    """
    assert request.method == "GET", request
    options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    headers = [word for name, value in request.headers for word in ("-H", f"{name}: {value}")]
    script = ["--timeout", f"{TIMEOUT}s", "--script", str(SCRIPT)]
    command = [*_wrk(), *options, *headers, *script, url + request.path]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    told = json.loads(done.stdout.splitlines()[-1])
    if told["faults"] or not told["requests"]:
        raise RuntimeError(f"not all was answered: {done.stdout}")
    return Load(told["requests"] / told["seconds"], told["p50"], told["p99"])


@cache
def _wrk() -> list[str]:
    root = debian.unpack("wrk", ["wrk"], ROOT / ".cache")
    return debian.command(root, "usr/bin/wrk")
