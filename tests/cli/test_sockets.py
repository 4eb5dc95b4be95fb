"""The addresses that `keystead serve` listens on, with one process and with several."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from app.cli.console import Failure
from app.cli.sockets import bind
from tests.databases.server import free_port
from tests.service import Server, make_environment

pytestmark = pytest.mark.only("sqlite")

LOOPBACK = {"IPv4": "127.0.0.1", "IPv6": "[::1]"}


def clients(log: Path) -> set[str]:
    lines = [line for line in log.read_text().splitlines() if '"event": "request"' in line]
    return {json.loads(line)["client"] for line in lines}


@pytest.mark.parametrize("workers", [1, 2])
def test_both_families_are_served_alike(tmp_path: Path, workers: int) -> None:
    """A proxy on this machine is trusted, whichever family it connects by."""
    log, port = tmp_path / "log", free_port()
    environment = make_environment(tmp_path, environment="production")
    with Server(environment, port, workers, log, "::"), httpx2.Client(verify=False) as client:
        for number, address in enumerate(LOOPBACK.values()):
            forwarded = {"X-Forwarded-For": f"192.0.2.{number}"}
            url = f"http://{address}:{port}/users/me"
            assert client.get(url).status_code == 401
            assert client.get(url, headers=forwarded).status_code == 401
    assert clients(log) == {"127.0.0.1", "::1", "192.0.2.0", "192.0.2.1"}


def test_ipv4_is_ipv4_only() -> None:
    [one] = bind("0.0.0.0", 0)
    with one:
        assert one.family == socket.AF_INET


def test_each_address_of_a_name_is_bound_to_the_same_port() -> None:
    """Whether localhost is IPv6 too, the system says."""
    found = socket.getaddrinfo("localhost", 1, type=socket.SOCK_STREAM)
    bound = bind("localhost", 0)
    for one in bound:
        one.close()
    assert len(bound) == len(found) > 0
    assert len({one.family for one in bound}) == len(found)


def test_both_families_by_name_do_not_collide() -> None:
    """Without a host, both are bound, IPv6 not for IPv4 as well."""
    bound = bind("", 0)
    ports = {one.getsockname()[1] for one in bound}
    families = {one.family for one in bound}
    for one in bound:
        one.close()
    assert families == {socket.AF_INET, socket.AF_INET6}
    assert len(ports) == 1


@pytest.mark.parametrize("host", ["::", "::1", "127.0.0.1", "localhost"])
def test_a_port_in_use_is_reported(host: str) -> None:
    taken = bind(host, 0)[-1]
    with taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Failure, match=f"port {port} is in use"):
            bind(host, port)


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1", "2001:db8::1"])
def test_an_address_of_another_host_is_reported(host: str) -> None:
    with pytest.raises(Failure, match=f"cannot listen on {host}, port 8080: "):
        bind(host, 8080)


def test_as_many_connections_as_files_can_be_open() -> None:
    """The soft limit is raised as far as the hard one allows; a process can only lower that."""
    code = """
import resource
from app.cli.sockets import fit_connections
for most in (4_096, 256, 100):
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
    print(fit_connections(1_000, 20), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["1000 2124", "66 256", "1 100"]
