"""The life of one Lambda process: reused, frozen, thawed, out of time, killed."""

import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import databases
from tests.aws.artifact import ROOT
from tests.aws.emulator import Emulator, FunctionError
from tests.aws.events import KINDS, Request, Response, http_api, response
from tests.aws.guest import guest
from tests.aws.service import the_artifact
from tests.databases import in_database
from tests.service import PASSWORD, bearer, make_environment, new_address

SERVERS = ("postgres", "mysql", "mariadb")


@contextmanager
def sandbox(desk: Path, name: str = "sandbox", **options: Any) -> Iterator[Emulator]:
    settings = options.pop("settings", {})
    environment = make_environment(desk, tick_seconds="0", **settings)
    with Emulator(the_artifact(), environment, desk / name, **options) as emulator:
        yield emulator


def ask(emulator: Emulator, method: str, path: str, body: Any = None, **more: Any) -> Any:
    """Send a request as an HTTP API would; return the response."""
    content = json.dumps(body).encode() if body is not None else b""
    headers = (("Content-Type", "application/json"), *more.pop("headers", {}).items())
    request = Request(method, path, headers=headers, body=content, **more)
    return response(emulator.invoke(http_api(request)))


def register(emulator: Emulator, address: str, **more: Any) -> Any:
    person = {"email": address, "password": PASSWORD}
    return ask(emulator, "POST", "/auth/register", person, **more)


def log_in(emulator: Emulator, address: str) -> dict[str, str]:
    form = f"username={address}&password={PASSWORD.replace(' ', '+')}".encode()
    kind = (("Content-Type", "application/x-www-form-urlencoded"),)
    event = http_api(Request("POST", "/auth/jwt/login", headers=kind, body=form))
    return bearer(json.loads(response(emulator.invoke(event)).body)["access_token"])


def connections(desk: Path) -> list[int]:
    """Return the server's ids of the connections to the desk's database, except our own."""
    if databases.server().name == "postgres":
        query = (
            "SELECT pid FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    else:
        query = (
            "SELECT id FROM information_schema.processlist "
            "WHERE db = database() AND id <> connection_id()"
        )
    return [row[0] for row in in_database(desk, query)]


def cut(desk: Path) -> None:
    """End every connection to the desk's database, from the server's side."""
    for number in connections(desk):
        if databases.server().name == "postgres":
            in_database(desk, f"SELECT pg_terminate_backend({number})")
        else:
            in_database(desk, f"KILL {number}")


def resident(pid: int) -> int:
    """Return the process's memory, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_five_hundred_invocations_share_one_lifespan(desk: Path) -> None:
    with sandbox(desk) as emulator:
        address = new_address()
        assert register(emulator, address).status == 201
        headers = log_in(emulator, address)
        before = after = 0
        seen = set()
        for n in range(500):
            assert ask(emulator, "GET", "/users/me", headers=headers).status == 200
            if n % 100 == 0 and databases.server().name in SERVERS:
                seen.update(connections(desk))
            if n == 100:
                before = resident(emulator.pid)
        after = resident(emulator.pid)
        assert emulator.log.read_text().count("sandbox opened") == 1
        assert len(emulator.init_ms()) == 1
        assert len(seen) == (databases.server().name in SERVERS)
        print(f"memory after 100 and 500 invocations: {before:,} and {after:,} bytes")
        assert after - before < 1_000_000


@pytest.mark.only(*SERVERS)
def test_thawed_with_a_dead_connection(desk: Path) -> None:
    with sandbox(desk) as emulator:
        address = new_address()
        assert register(emulator, address).status == 201
        headers = log_in(emulator, address)
        for _ in range(3):
            emulator.freeze()
            assert len(connections(desk)) == 1
            cut(desk)
            emulator.thaw()
            assert ask(emulator, "GET", "/users/me", headers=headers).status == 200
            cut(desk)
            assert register(emulator, new_address()).status == 201
        assert emulator.log.read_text().count("sandbox opened") == 1


def test_a_frozen_process_serves_after_the_thaw(desk: Path) -> None:
    with sandbox(desk) as emulator:
        assert register(emulator, new_address()).status == 201
        emulator.freeze()
        time.sleep(1)
        emulator.thaw()
        assert register(emulator, new_address()).status == 201


STRAY = """\
import asyncio, handler as ours
def handler(event, context):
    asyncio.run(asyncio.sleep(0))
    return ours.handler(event, context)
"""


def test_an_event_loop_run_by_other_code_breaks_nothing(desk: Path) -> None:
    with sandbox(desk, **guest(desk, STRAY)) as emulator:
        for _ in range(3):
            assert register(emulator, new_address()).status == 201


BUGGY = """\
from handler import handler
@handler._app.get("/bug")
async def bug():
    raise RuntimeError("a bug of ours")
"""


def test_a_bug_is_answered_logged_and_counted_once(desk: Path) -> None:
    with sandbox(desk, **guest(desk, BUGGY)) as emulator:
        answer = ask(emulator, "GET", "/bug")
        assert (answer.status, json.loads(answer.body)) == (
            500,
            {"detail": "Internal Server Error"},
        )
        assert ask(emulator, "GET", "/health/live").status == 200
        assert counted(emulator) == ["ServerErrors"]
        log = emulator.log.read_text()
    assert log.count("RuntimeError: a bug of ours") == 1
    assert "never retrieved" not in log


NOTING = """\
from fastapi import Request
from handler import handler
@handler._app.get("/note")
async def note(request: Request) -> bool:
    noted = hasattr(request.state, "noted")
    request.state.noted = True
    return noted
"""


def test_requests_share_no_state(desk: Path) -> None:
    with sandbox(desk, **guest(desk, NOTING)) as emulator:
        assert [ask(emulator, "GET", "/note").body for _ in range(2)] == [b"false", b"false"]


GARBAGE = """\
import gc
import handler as ours
def handler(event, context):
    before = gc.get_stats()[0]["collections"]
    made = [[] for _ in range(100_000)]
    return [gc.get_stats()[0]["collections"] - before, gc.get_freeze_count()]
"""


def test_garbage_is_collected_except_imported_objects(desk: Path) -> None:
    with sandbox(desk, **guest(desk, GARBAGE)) as emulator:
        searches, spared = emulator.invoke({})
    assert searches > 0
    assert spared > 10_000


def counted(emulator: Emulator) -> list[str]:
    """Return the metrics of alarms that CloudWatch reads from the log, as the alarms name them."""
    template = (ROOT / "infra" / "template.yaml").read_text()
    found = []
    for line in re.findall(r'^\{"_aws".*$', emulator.log.read_text(), re.MULTILINE):
        said = json.loads(line)
        [about] = said["_aws"]["CloudWatchMetrics"]
        metric, *others = about["Metrics"]
        if f"MetricName: {metric['Name']}" not in template:
            continue  # for graphs: test_metrics.py
        assert not others
        assert abs(said["_aws"]["Timestamp"] / 1_000 - time.time()) < 120
        assert f"Namespace: {about['Namespace']}" in template
        assert (about["Dimensions"], said["Function"]) == ([["Function"]], "keystead")
        assert "{ Name: Function, Value: !Ref" in template
        assert said[metric["Name"]] == 1
        found.append(metric["Name"])
    return found


@contextmanager
def blocked(desk: Path) -> Iterator[None]:
    """Lock the table of accounts for the duration of the block."""
    kind = databases.server().name
    locks = {
        "sqlite": ["BEGIN IMMEDIATE"],
        "postgres": ["BEGIN", "LOCK TABLE user_account IN EXCLUSIVE MODE"],
        "mysql": ["LOCK TABLES user_account WRITE"],
        "mariadb": ["LOCK TABLES user_account WRITE"],
    }
    with databases.holding(desk, *locks[kind]):
        yield


def is_registered(emulator: Emulator, address: str) -> bool:
    """Register; return whether that was done in time, which a busy machine's first start is not."""
    try:
        status: int = register(emulator, address).status
    except FunctionError:
        return False
    return status == 201


def test_a_request_out_of_time_is_answered_and_rolled_back(desk: Path) -> None:
    address = new_address()
    origin = {"Origin": "https://app.camelot.bt"}
    settings = {"origins": origin["Origin"]}
    with sandbox(desk, seconds=6, settings=settings) as emulator:
        until = time.monotonic() + 60
        while not is_registered(emulator, new_address()):
            assert time.monotonic() < until
        before, starts = counted(emulator), len(emulator.init_ms())
        with blocked(desk):
            begun = time.monotonic()
            answer = register(emulator, address, headers=origin)
            took = time.monotonic() - begun
        assert (answer.status, json.loads(answer.body)) == (503, {"detail": "OUT_OF_TIME"})
        assert ("retry-after", "1") in answer.headers
        assert ("access-control-allow-origin", origin["Origin"]) in answer.headers
        assert took < 5.5
        assert counted(emulator) == [*before, "ServerErrors"]
        assert accounts(desk, address) == 0
        until = time.monotonic() + 30
        while (again := register(emulator, address)).status == 503:
            assert time.monotonic() < until
        assert again.status == 201
        assert accounts(desk, address) == 1
        assert len(emulator.init_ms()) == starts


def test_a_process_killed_in_a_request_leaves_nothing_and_the_next_serves(desk: Path) -> None:
    address = new_address()
    with sandbox(desk) as emulator:
        assert register(emulator, new_address()).status == 201
        with ThreadPoolExecutor(1) as threads, blocked(desk):
            answer = threads.submit(register, emulator, address)
            time.sleep(1)
            os.kill(emulator.pid, signal.SIGKILL)
            with pytest.raises(FunctionError):
                answer.result(30)
        assert accounts(desk, address) == 0
        assert register(emulator, address).status == 201


def accounts(desk: Path, address: str) -> int:
    [(found,)] = in_database(
        desk, "SELECT count(*) FROM user_account WHERE email_key = :key", key=address
    )
    return int(found)


def test_a_body_that_is_too_large(desk: Path) -> None:
    with sandbox(desk) as emulator:
        for size, expected in ((60_000, 400), (70_000, 413), (5_000_000, 413)):
            password = "x" * size
            person = {"email": new_address(), "password": password}
            assert ask(emulator, "POST", "/auth/register", person).status == expected
        with pytest.raises(FunctionError):
            # Lambda's limit is 6 MB; beyond it the gateway answers.
            ask(emulator, "POST", "/auth/register", {"password": "x" * 7_000_000})
        assert register(emulator, new_address()).status == 201


def test_eight_sandboxes_are_one_service(desk: Path) -> None:
    """Each address is taken once, and a session that is revoked is invalid in all processes."""
    addresses = [new_address() for _ in range(10)]
    with ExitStack() as stack:
        sandboxes = [stack.enter_context(sandbox(desk, f"sandbox{n}")) for n in range(8)]

        def register_all(emulator: Emulator) -> list[int]:
            return [register(emulator, address).status for address in addresses]

        with ThreadPoolExecutor(8) as threads:
            statuses = [each for found in threads.map(register_all, sandboxes) for each in found]
        assert Counter(statuses) == {201: 10, 400: 70}
        if databases.server().name in SERVERS:
            assert len(connections(desk)) == 8
        headers = log_in(sandboxes[0], addresses[0])

        def who_am_i(emulator: Emulator) -> int:
            status: int = ask(emulator, "GET", "/users/me", headers=headers).status
            return status

        assert {who_am_i(emulator) for emulator in sandboxes} == {200}
        assert ask(sandboxes[7], "POST", "/auth/jwt/logout", headers=headers).status == 204
        assert {who_am_i(emulator) for emulator in sandboxes} == {401}


def test_the_clients_address_is_the_one_the_gateway_saw(desk: Path) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Client-IP": "x"}
    with sandbox(desk, settings={"environment": "production"}) as emulator:
        for make_event in KINDS.values():
            request = Request("GET", "/nowhere", headers=tuple(forged.items()))
            assert response(emulator.invoke(make_event(request))).status == 404
        lines = re.findall(r'^\{.*"event": "request".*\}$', emulator.log.read_text(), re.MULTILINE)
        assert [json.loads(line)["client"] for line in lines] == ["192.0.2.7"] * len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_below_a_base_path(desk: Path, kind: str) -> None:
    """The gateway may leave the base path in, or strip it; and a path can begin alike."""
    with sandbox(desk, settings={"base_url": "https://example.org/accounts/"}) as emulator:

        def status(path: str) -> int:
            return response(emulator.invoke(KINDS[kind](Request("GET", path)))).status

        assert status("/accounts/health/live") == status("/health/live") == 200
        assert status("/accounts/static/keystead.css") == 200
        assert status("/accountshealth/live") == status("/accounts/accounts/health/live") == 404


@pytest.mark.parametrize("kind", KINDS)
def test_a_preflight_request(desk: Path, kind: str) -> None:
    origin = "https://app.camelot.bt"
    asked = (("Origin", origin), ("Access-Control-Request-Method", "PATCH"))
    with sandbox(desk, settings={"origins": f"{origin},http://localhost:5173"}) as emulator:
        request = Request("OPTIONS", "/users/me", headers=asked)
        answer = response(emulator.invoke(KINDS[kind](request)))
        assert answer.status == 200
        assert ("access-control-allow-origin", origin) in answer.headers
        refused = response(emulator.invoke(KINDS[kind](Request("GET", "/users/me", "", asked))))
        assert refused.status == 401
        assert ("access-control-allow-origin", origin) in refused.headers


@pytest.mark.parametrize("base_path", ["/prod", "/accounts", ""])
def test_below_a_stage(desk: Path, base_path: str) -> None:
    """At the stage's own address, and at a domain that is mapped to it below a path or none.

    An HTTP API's event has the stage at the start of its path in each of the three.
    """
    with sandbox(desk, settings={"base_url": f"https://example.org{base_path}"}) as emulator:

        def send(method: str, path: str) -> Response:
            event = http_api(Request(method, path))
            event["requestContext"]["stage"] = "prod"
            return response(emulator.invoke(event))

        assert send("GET", "/prod/health/live").status == 200
        assert send("GET", "/prod/static/keystead.css").status == 200
        assert send("GET", "/production/health/live").status == 404
        moved = dict(send("POST", "/prod/auth/registration").headers)
        assert moved["location"] == f"{base_path}/auth/register"
        document = json.loads(send("GET", "/prod/openapi.json").body)
        assert document["servers"] == [{"url": f"https://example.org{base_path}"}]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "headers",
    [
        *({"Host": host} for host in ("[::1]", "[::1]:80", "a:b:c", "x:", "x:abc", ":")),
        {"Host": "x:" + "9" * 5_000},
        *({"X-Forwarded-Port": port} for port in ("1,443", "", "abc", "-1", "9" * 5_000)),
        {"Host": "a, b", "host": "c"},
        {"Content-Length": "x", "Transfer-Encoding": "x", "Cookie": "=;;==", "Accept": "\xff"},
    ],
    ids=lambda headers: str(headers)[:30],
)
def test_no_header_brings_it_down(one: Emulator, kind: str, headers: dict[str, str]) -> None:
    request = Request("GET", "/health/live", headers=tuple(headers.items()))
    assert response(one.invoke(KINDS[kind](request))).status == 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "more",
    [
        {"headers": None, "multiValueHeaders": None, "queryStringParameters": None},
        {"body": "not base64", "isBase64Encoded": True},
        {"body": "\ud800"},
        {"body": None, "isBase64Encoded": None},
    ],
    ids=str,
)
def test_malformed_requests_are_answered(one: Emulator, kind: str, more: dict[str, Any]) -> None:
    answer = response(one.invoke(KINDS[kind](Request("POST", "/auth/register")) | more))
    assert answer.status in (400, 422)
    assert json.loads(answer.body)["detail"]


@pytest.mark.parametrize(
    "event",
    [
        *({}, [], "x", None, 7, {"requestContext": None}, {"requestContext": {}}),
        *({"Records": []}, {"requestContext": {"connectionId": "x", "eventType": "CONNECT"}}),
    ],
)
def test_an_unknown_event_is_refused(one: Emulator, event: Any) -> None:
    with pytest.raises(FunctionError, match="neither a request of") as refused:
        one.invoke(event)
    assert refused.value.kind == "UnknownEvent"


@pytest.fixture(scope="module")
def one(migrated: Path) -> Iterator[Emulator]:
    """A process that no test changes."""
    with sandbox(migrated, f"one-{threading.get_ident()}") as emulator:
        yield emulator
