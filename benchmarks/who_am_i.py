"""GET /users/me: the rate, and the latency with eight connections."""

from functools import partial

from benchmarks.contenders import FLOORS, SERVICES, Contender, Floor
from benchmarks.load import press
from benchmarks.server import Server
from benchmarks.sitting import ALL_DATABASES, Measures, Row, Sitting

CONNECTIONS = 8


def measure(contender: Contender, sitting: Sitting) -> Measures:
    with Server(contender, sitting.new_folder()) as server:
        is_floor = isinstance(server.api, Floor)
        headers = () if is_floor else server.login(server.register())
        who_am_i = server.api.who_am_i(headers)
        server.done(who_am_i)
        press(server.url, who_am_i, CONNECTIONS, seconds=1)
        load = press(server.url, who_am_i, CONNECTIONS, sitting.seconds)
    return {"a second": load.rate, "p50, ms": load.p50, "p99, ms": load.p99}


ROW = Row(
    "who-am-i",
    "Who-am-I, 8 connections",
    {each.name: partial(measure, each) for each in (*SERVICES, *FLOORS)},
    databases=ALL_DATABASES,
    chart="bars",
)
