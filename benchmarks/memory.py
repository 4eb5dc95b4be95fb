"""A server's memory: at rest, and after log-ins."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.contenders import SERVICES, Contender
from benchmarks.server import Server
from benchmarks.sitting import ALL_DATABASES, Measures, Row, Sitting

LOGINS, AT_ONCE = 100, 8


def measure(contender: Contender, sitting: Sitting) -> Measures:
    """Start it on a migrated database; measure its memory before and after log-ins."""
    folder = sitting.new_folder()
    with Server(contender, folder):
        pass
    with Server(contender, folder) as server:
        at_rest = server.memory_mb("VmRSS")
        request = server.api.login(server.register())
        with ThreadPoolExecutor(AT_ONCE) as threads:
            ask = server.ask if server.forgiven else server.done
            list(threads.map(ask, [request] * LOGINS))
        return {
            f"at most in {LOGINS} logins, MB": server.memory_mb("VmHWM"),
            "after them, MB": server.memory_mb("VmRSS"),
            "at rest, MB": at_rest,
        }


ROW = Row(
    "memory",
    f"Memory in {LOGINS} logins, {AT_ONCE} at once",
    {each.name: partial(measure, each) for each in SERVICES},
    "Of the one process, resident. At most is what a machine or a container needs to have. After "
    "them, Keystead keeps the memory of as many hashes as there are cores, 20 MB each: given back "
    "and asked for again, a hash takes half as long again.",
    databases=ALL_DATABASES,
)
