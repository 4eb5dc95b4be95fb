"""Log-in, refresh, look-up, lists and search with a thousand users and with a million.

Each user has a session.
"""

import json
import random
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.contenders import EXAMPLE, KEYSTEAD, Contender, Request
from benchmarks.migrations import ACCOUNTS, LOGINS, SPELLINGS, numbers_below
from benchmarks.server import Server
from benchmarks.sitting import ALL_DATABASES, OURS, Measures, Row, Sitting
from tests.databases import in_database

SIZES = (1_000, 100_000, 1_000_000)
# The sizes take turns, so that noise hits all of them alike.
TIMES_A_SECOND = 10
FIRST = "first@camelot.bt"
PASSWORDS = {KEYSTEAD.name: "user_account", EXAMPLE.name: '"user"'}
USERS = {
    KEYSTEAD.name: ACCOUNTS,
    EXAMPLE.name: """
INSERT INTO "user" (id, email, hashed_password, is_active, is_superuser, is_verified)
    SELECT {id}, {email}, '{hash}', true, false, false FROM {numbers}
""",
}

Ask = Callable[[Server, int], Request]
"""Builds the next request to a server with that many users."""


def measure(contender: Contender, open_: Callable[[Server], Ask], sitting: Sitting) -> Measures:
    """Send requests to servers of growing size in turns; return the median of each time."""
    took: dict[int, list[float]] = {size: [] for size in SIZES}
    with ExitStack() as stack:
        servers = {size: stack.enter_context(filled(contender, size, sitting)) for size in SIZES}
        asks = {size: open_(server) for size, server in servers.items()}
        for number in range(TIMES_A_SECOND * sitting.seconds):
            for size in random.sample(SIZES, len(SIZES)):
                request = asks[size](servers[size], size)
                begun = time.perf_counter()
                servers[size].done(request)
                if number > 0:
                    took[size].append((time.perf_counter() - begun) * 1_000)
    return {f"{size:,} users, ms": statistics.median(took[size]) for size in SIZES}


def filled(contender: Contender, size: int, sitting: Sitting) -> Server:
    """Return a server, not started, whose database has that many accounts."""
    name = "ours" if contender is KEYSTEAD else "theirs"
    folder = sitting.folder / f"{name}-{size}"
    if not folder.exists():
        with Server(contender, folder) as server:
            server.done(server.api.register(FIRST))
        _fill(contender, size, sitting.database, folder)
    return Server(contender, folder)


def _fill(contender: Contender, size: int, database: str, folder: Path) -> None:
    """Add accounts, all with the password of the first, which becomes a superuser."""
    table = PASSWORDS[contender.name]
    [[hash_]] = in_database(folder, f"SELECT hashed_password FROM {table}")
    words = SPELLINGS[database] | {"hash": hash_, "numbers": numbers_below(size)}
    # A colon would start a parameter.
    in_database(folder, USERS[contender.name].format(**words).replace("::", r"\:\:"))
    if contender is KEYSTEAD:
        in_database(folder, LOGINS.format(**words))
    in_database(folder, f"UPDATE {table} SET is_superuser = true WHERE email = :email", email=FIRST)
    if database == "postgres":
        in_database(folder, "ANALYZE")


def somebody(size: int) -> str:
    return f"user{random.randrange(size)}@camelot.bt"


def login(_: Server) -> Ask:
    return lambda server, size: server.api.login(somebody(size))


def refresh(_: Server) -> Ask:
    """Refresh a new session of somebody."""

    def ask(server: Server, size: int) -> Request:
        pair = json.loads(server.done(server.api.login(somebody(size))).body)
        body = json.dumps({"refresh_token": pair["refresh_token"]})
        return Request("POST", "/auth/jwt/refresh", (("Content-Type", "application/json"),), body)

    return ask


def own_sessions(server: Server) -> Ask:
    headers = server.login(FIRST)
    return lambda _, __: Request("GET", "/users/me/sessions", headers)


def look_up(server: Server) -> Ask:
    headers = server.login(FIRST)
    return lambda server, _: server.api.who_am_i(headers)


def first_page(server: Server) -> Ask:
    headers = server.login(FIRST)
    return lambda _, __: Request("GET", "/users", headers)


def deep_page(server: Server) -> Ask:
    """Request a page from the middle, by a cursor of the list itself."""
    headers = server.login(FIRST)
    said = server.done(Request("GET", "/users?limit=1&q=user5", headers))
    cursor = json.loads(said.body)["next"]
    return lambda _, __: Request("GET", f"/users?after={cursor}", headers)


def search(server: Server) -> Ask:
    headers = server.login(FIRST)
    return lambda _, size: Request("GET", f"/users?q={somebody(size)}", headers)


ROW = Row(
    "growth",
    "More users",
    {
        f"{OURS}: {name}": partial(measure, KEYSTEAD, open_)
        for name, open_ in {
            "login": login,
            "refresh": refresh,
            "look-up": look_up,
            "own sessions": own_sessions,
            "list, first page": first_page,
            "list, deep page": deep_page,
            "search": search,
        }.items()
    }
    | {f"{EXAMPLE.name}: login": partial(measure, EXAMPLE, login)},
    "How long one takes, of one who asks at a time: medians. The example looks an address up by "
    "its lower case, without an index for that.",
    databases=ALL_DATABASES,
    chart="growth",
)
