"""GET /users/me while eight clients log in continuously: the effect of their hashes."""

from functools import partial

from benchmarks.contenders import KEYSTEAD_EQUAL, SERVICES, Contender
from benchmarks.load import press
from benchmarks.loop import Loop
from benchmarks.server import Server
from benchmarks.sitting import ALL_DATABASES, Measures, Row, Sitting

LOGINS = 8


def measure(contender: Contender, sitting: Sitting) -> Measures:
    with Server(contender, sitting.new_folder()) as server:
        login = server.api.login(server.register())
        who_am_i = server.api.who_am_i(server.api.credentials(server.done(login)))
        server.done(who_am_i)
        press(server.url, who_am_i, 1, seconds=1)
        idle = press(server.url, who_am_i, 1, sitting.seconds)
        with Loop(server, lambda: login, LOGINS) as logins:
            within = press(server.url, who_am_i, 1, sitting.seconds)
    return {
        "p99, ms": within.p99,
        "p50, ms": within.p50,
        "p99 idle, ms": idle.p99,
        "p50 idle, ms": idle.p50,
        "logins a second": logins.found.rate,
    }


ROW = Row(
    "storm",
    "Who-am-I under a login storm",
    {each.name: partial(measure, each) for each in (*SERVICES, KEYSTEAD_EQUAL)},
    "One connection asks who-am-I in a closed loop, first alone (*idle*), then while eight others "
    "log in, each again as soon as it is answered.",
    databases=ALL_DATABASES,
    chart="storm",
)
