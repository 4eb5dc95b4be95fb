"""Log-ins and registrations: rates and latencies."""

import time
from functools import partial

from benchmarks.contenders import KEYSTEAD_EQUAL, SERVICES, Contender
from benchmarks.loop import Loop
from benchmarks.server import Server
from benchmarks.sitting import ALL_DATABASES, Measures, Row, Sitting
from tests.service import new_address

MANY = 8


def login(contender: Contender, connections: int, sitting: Sitting) -> Measures:
    with Server(contender, sitting.new_folder()) as server:
        request = server.api.login(server.register())
        with Loop(server, lambda: request, connections) as loop:
            time.sleep(sitting.seconds)
    return _measures(loop)


def register(contender: Contender, sitting: Sitting) -> Measures:
    with Server(contender, sitting.new_folder()) as server:
        api = server.api
        with Loop(server, lambda: api.register(new_address()), MANY) as loop:
            time.sleep(sitting.seconds)
    return _measures(loop)


def _measures(loop: Loop) -> Measures:
    rate, p50, p99 = loop.found
    return {"a second": rate, "p50, ms": p50, "p99, ms": p99, "failed, %": loop.failed}


CONTENDERS = (*SERVICES, KEYSTEAD_EQUAL)

LOGIN = Row(
    "login",
    "Login, one at a time",
    {each.name: partial(login, each, 1) for each in CONTENDERS},
    "Each hashes as it does by default; Keystead with the example's parameters too. *failed* were "
    "answers that do not count: the example has an error 500 for some of those who write to SQLite "
    "at once.",
    databases=ALL_DATABASES,
)
LOGINS = Row(
    "logins",
    "Login, 8 at once",
    {each.name: partial(login, each, MANY) for each in CONTENDERS},
    databases=ALL_DATABASES,
)
REGISTER = Row(
    "register",
    "Register, 8 at once",
    {each.name: partial(register, each) for each in CONTENDERS},
    "Keystead puts the mail that asks to confirm the address into a file, too.",
    databases=ALL_DATABASES,
)
