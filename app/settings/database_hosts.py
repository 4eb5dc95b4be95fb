"""The servers that a PostgreSQL URL names: one, or several of which one takes writes."""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote

from sqlalchemy import URL

_PORT = 5432
_PARTS = re.compile(r"//([^/?]*@)?([^/?]*)(/[^?]*)?(?:\?(.*))?", re.DOTALL)
_HOST = re.compile(r"(\[[^\]]+\]|/.*?|[^:/\[\]]+)(?::(\d+))?", re.DOTALL)
_WRITABLE = ("read-write", "primary")


class Servers(NamedTuple):
    """Addresses (a host, or the folder of a socket, and a port), and which of them to use.

    `target`: asyncpg's target_session_attrs, None for the only server as it is.
    """

    addresses: list[tuple[str, int]]
    target: str | None


def move_hosts(rest: str) -> str:
    """Return a URL's part after the scheme with its hosts where SQLAlchemy can read them.

    libpq's list of hosts (`//h1:p1,h2:p2/name`) and its folder of a socket (`//%2Frun/name`) become
    an option: `?host=h1:p1,h2:p2`.
    """
    parts = _PARTS.fullmatch(rest)
    if parts is None or not set(parts[2]) & {",", "%"}:
        return rest
    login, hosts, path, options = (part or "" for part in parts.groups())
    named = f"host={quote(unquote(hosts), safe=',')}"
    return f"//{login}{path}?{'&'.join(filter(None, [named, options]))}"


def split_servers(url: URL) -> tuple[URL, Servers]:
    """Return `url` without its servers, and the servers.

    Of several, the one that takes writes is wanted, unless the URL says `primary`. Raises
    ValueError.
    """
    query = dict(url.query)
    hosts = _listed(query.pop("host", ())) or [url.host or ""]
    ports = _listed(query.pop("port", ())) or [str(url.port or _PORT)]
    target = query.pop("target_session_attrs", "any")
    if target not in ("any", *_WRITABLE):
        raise ValueError(
            f"target_session_attrs in the database URL: Keystead needs {' or '.join(_WRITABLE)}"
        )
    if len(ports) not in (1, len(hosts)):
        raise ValueError("the database URL has one port for each host, or one for all")
    if len(ports) == 1:
        ports *= len(hosts)
    addresses = [_address(host, port) for host, port in zip(hosts, ports, strict=True)]
    if target == "any":
        target = _WRITABLE[0] if len(addresses) > 1 else ""
    bare = url.set(query=query)._replace(host=None, port=None)
    return bare, Servers(addresses, str(target) or None)


def _listed(value: str | Sequence[str]) -> list[str]:
    return ",".join([value] if isinstance(value, str) else value).split(",") if value else []


def _address(text: str, port: str) -> tuple[str, int]:
    is_bare_ipv6 = text.count(":") > 1 and text[0] not in "[/"
    parts = None if is_bare_ipv6 else _HOST.fullmatch(text)
    host = (parts[1] if parts else text if is_bare_ipv6 else "").strip("[]")
    number = (parts[2] if parts else None) or port or str(_PORT)
    if not host:
        raise ValueError("a host of the database URL is not one: host, host:port or [IPv6]:port")
    if not number.isdecimal() or not 0 < int(number) < 65_536:
        raise ValueError("the port in the database URL is none: 1 to 65535")
    return host, int(number)
