"""The sockets that `keystead serve` listens on, and how many connections fit in the process."""

import errno
import socket
import sys

from app.cli.console import Failure

RESERVED = 64
"""Open files of a process beside its connections and its database's."""
FILES_OF_DATABASE = 3
"""A connection to SQLite has its file, its log and its index open."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Return a socket, bound and not listening, for each address of `host`.

    All have the same port, a free one for 0. `::` is for IPv4 as well. Raises Failure.
    """
    bound: list[socket.socket] = []
    try:
        addresses = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        families = {family for family, *_ in addresses}
        for family, _, _, _, address in addresses:
            free = bound[0].getsockname()[1] if bound else port
            bound.append(_bind(family, (address[0], free, *address[2:]), alone=len(families) > 1))
    except OSError as error:
        for one in bound:
            one.close()
        if error.errno == errno.EADDRINUSE:
            raise Failure(f"port {port} is in use; choose another with --port") from None
        raise Failure(f"cannot listen on {host}, port {port}: {error.strerror}") from None
    return bound


def _bind(family: int, address: tuple[str | int, ...], *, alone: bool) -> socket.socket:
    """Return a socket bound to `address`; an IPv6 one not for IPv4 if `alone`."""
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(alone))
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one


def fit_connections(wanted: int, database: int) -> int:
    """Raise this process's limit of open files for `wanted` connections, and `database` ones.

    Return how many connections fit: as many as wanted, if the system's limit allows. Workers
    inherit the limit.
    """
    if sys.platform == "win32":
        return wanted
    import resource

    others = RESERVED + FILES_OF_DATABASE * database
    # A connection that is sent a static file has that open, too.
    files = 2 * wanted + others
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < files:
        soft = files if hard == resource.RLIM_INFINITY else min(files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, max(1, (soft - others) // 2))
