"""The lines of the log that CloudWatch reads as metrics."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.aws.emulator import Emulator, FunctionError
from tests.aws.events import Request, http_api, response
from tests.aws.service import the_artifact
from tests.databases import in_database
from tests.service import make_environment, new_address

pytestmark = pytest.mark.only("sqlite")


@pytest.fixture
def sandbox(desk: Path) -> Iterator[Emulator]:
    with Emulator(the_artifact(), make_environment(desk), desk / "sandbox") as emulator:
        yield emulator


def measured(sandbox: Emulator, metric: str) -> list[dict[str, Any]]:
    """Return the lines with `metric`, whose form is checked, in CloudWatch's own limits."""
    found = []
    for text in re.findall(r'^\{"_aws".*$', sandbox.log.read_text(), re.MULTILINE):
        line = json.loads(text)
        [about] = line["_aws"]["CloudWatchMetrics"]
        assert about["Namespace"] == "Keystead"
        assert abs(line["_aws"]["Timestamp"] / 1_000 - time.time()) < 120
        [dimensions] = about["Dimensions"]
        assert all(isinstance(line[name], str) and line[name] for name in dimensions)
        assert dimensions[0] == "Function"
        assert len(about["Metrics"]) <= 100
        names = {one["Name"] for one in about["Metrics"]}
        assert {one["Unit"] for one in about["Metrics"]} <= {"Count", "Milliseconds", "Seconds"}
        assert all(isinstance(line[name], int | float) for name in names)
        if metric in names:
            found.append(line)
    return found


def test_requests_and_logins_are_measured(sandbox: Emulator) -> None:
    def ask(method: str, path: str, body: str = "", kind: str = "application/json") -> None:
        headers = (("content-type", kind),) if body else ()
        request = Request(method, path, headers=headers, body=body.encode())
        response(sandbox.invoke(http_api(request)))

    person = {"email": new_address(), "password": "excalibur 1"}
    ask("POST", "/auth/register", json.dumps(person))
    form = f"username={person['email']}&password="
    for password in ("excalibur+1", "wrong"):
        ask("POST", "/auth/jwt/login", form + password, "application/x-www-form-urlencoded")
    ask("GET", "/users/01a2041d-06b3-727a-8645-494f6799080f")
    ask("BREW", "/nowhere/1")
    lines = measured(sandbox, "Requests")
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/auth/register", 201),
        ("POST", "/auth/jwt/login", 200),
        ("POST", "/auth/jwt/login", 400),
        ("GET", "/users/{id}", 401),
        ("other", "unrouted", 404),
    ]
    assert all(line["Requests"] == 1 and 0 < line["RequestDuration"] < 60_000 for line in lines)
    outcomes = [line["Outcome"] for line in measured(sandbox, "Logins")]
    assert outcomes == ["success", "bad_credentials"]


def test_a_tick_measures_jobs_and_mail_and_is_no_request(sandbox: Emulator, desk: Path) -> None:
    sandbox.invoke({"tick": {}})
    [line] = measured(sandbox, "JobLag")
    assert 0 <= line["JobLag"] < 60
    assert line["MailOldest"] == 0
    assert line["mail"] == {"waiting": 0, "dead": 0}
    idle = {"state": "idle", "attempts": 0, "dead": 0}
    assert line["jobs"] == {"count": idle, "mail": idle, "purge": idle}
    in_database(desk, "UPDATE tick_job SET done_through = done_through + 999999 WHERE name='mail'")
    with pytest.raises(FunctionError, match="a clock was ahead"):
        sandbox.invoke({"tick": {}})
    _, line = measured(sandbox, "JobLag")
    assert line["jobs"]["mail"]["state"] == "ahead"
    assert measured(sandbox, "Requests") == []
