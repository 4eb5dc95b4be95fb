"""How much memory a server has: at rest, and when people have logged in."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.contenders import SERVICES, Contender
from benchmarks.server import Server
from benchmarks.sitting import ALL_DATABASES, Measures, Row, Sitting

LOGINS, AT_ONCE = 100, 8


def measure(contender: Contender, sitting: Sitting) -> Measures:
    with Server(contender, sitting.new_folder()) as server:
        at_rest = server.resident_mb()
        request = server.api.login(server.register())
        with ThreadPoolExecutor(AT_ONCE) as threads:
            ask = server.ask if server.forgiven else server.done
            list(threads.map(ask, [request] * LOGINS))
        return {f"after {LOGINS} logins, MB": server.resident_mb(), "at rest, MB": at_rest}


ROW = Row(
    "memory",
    f"Memory at rest, and after {LOGINS} logins, {AT_ONCE} at once",
    {each.name: partial(measure, each) for each in SERVICES},
    "Of the one process, resident.",
    databases=ALL_DATABASES,
)
