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
    """GET for as long on as many connections, each again once it was answered.

    Raises RuntimeError if an answer was none, or its status one from 400.
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
