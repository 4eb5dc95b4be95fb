"""The deployment's migration, and its answers to CloudFormation."""

import asyncio
import json
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from app.database.engine import Database
from app.settings.database_url import with_driver
from migrations.waits import migration_lock
from tests import databases
from tests.aws.artifact import artifact
from tests.aws.emulator import Emulator, FunctionError
from tests.aws.guest import guest
from tests.aws.peer import Peer
from tests.aws.service import the_artifact
from tests.databases import database_url, in_database
from tests.databases.server import OwnServer, free_port
from tests.service import make_environment


class CloudFormation(Peer):
    """Takes answers as the signed address does: a PUT without a content type."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.refusals = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                refused = outer.refusals > 0
                outer.refusals -= refused
                good = not self.headers["Content-Type"] and len(body) <= 4_096 and not refused
                if good:
                    outer.answers.append(json.loads(body))
                self.send_response(200 if good else 403)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        super().__init__(Handler)

    def event(self, kind: str, **more: Any) -> dict[str, Any]:
        return {
            "RequestType": kind,
            "ServiceToken": "arn:aws:lambda:eu-central-1:123456789012:function:migrate",
            "ResponseURL": f"{self.url}/answer?signature=x",
            "StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/k/1",
            "RequestId": "r1",
            "ResourceType": "Custom::Migration",
            "LogicalResourceId": "Migration",
            "ResourceProperties": {"Version": "1"},
            **more,
        }


@pytest.fixture
def stack() -> Iterator[CloudFormation]:
    with CloudFormation() as cloud:
        yield cloud


@contextmanager
def function(
    folder: Path, variables: Mapping[str, str] | None = None, seconds: int = 60
) -> Iterator[Emulator]:
    environment = {**make_environment(folder), **(variables or {})}
    with Emulator(
        the_artifact(),
        environment,
        folder / "migrate",
        handler="handler.migrate",
        seconds=seconds,
    ) as emulator:
        yield emulator


@contextmanager
def migrating(folder: Path) -> Iterator[None]:
    """Hold the migration lock of the folder's database."""
    with asyncio.Runner() as runner:
        database = Database(with_driver(database_url(folder)))
        lock = migration_lock(database.engine, print)
        runner.run(lock.__aenter__())
        yield
        runner.run(lock.__aexit__(None, None, None))
        runner.run(database.close())


def tables(folder: Path) -> int:
    try:
        return int(in_database(folder, "SELECT count(*) FROM keystead_version")[0][0])
    except Exception:
        return 0


def test_created_updated_and_deleted(tmp_path: Path, stack: CloudFormation) -> None:
    with function(tmp_path) as migrate:
        migrate.invoke(stack.event("Create"))
        [(revision,)] = in_database(tmp_path, "SELECT version_num FROM keystead_version")
        assert stack.answers.pop() == {
            "Status": "SUCCESS",
            "PhysicalResourceId": "keystead-schema",
            "StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/k/1",
            "RequestId": "r1",
            "LogicalResourceId": "Migration",
            "Data": {"Revision": revision},
        }
        again = stack.event("Update", PhysicalResourceId="keystead-schema", RequestId="r2")
        migrate.invoke(again)
        updated = stack.answers.pop()
        assert (updated["Status"], updated["RequestId"]) == ("SUCCESS", "r2")
        migrate.invoke(stack.event("Delete", PhysicalResourceId="some other"))
        deleted = stack.answers.pop()
        assert (deleted["Status"], deleted["PhysicalResourceId"]) == ("SUCCESS", "some other")
        assert tables(tmp_path) == 1


def test_a_roll_back_leaves_the_newer_schema_alone(desk: Path, stack: CloudFormation) -> None:
    in_database(desk, "UPDATE keystead_version SET version_num = '9999'")
    with function(desk) as migrate:
        migrate.invoke(stack.event("Update", OldResourceProperties={"Version": "2"}))
    [told] = stack.answers
    assert (told["Status"], told["Data"]) == ("SUCCESS", {"Revision": "9999"})
    assert in_database(desk, "SELECT version_num FROM keystead_version") == [("9999",)]


def test_a_database_that_cannot_be_migrated_is_left_alone(
    desk: Path, stack: CloudFormation
) -> None:
    in_database(desk, "UPDATE keystead_version SET version_num = 'strange'")
    with function(desk) as migrate:
        migrate.invoke(stack.event("Update"))
        [told] = stack.answers
        assert told["Status"] == "FAILED"
        assert "none of Keystead's" in told["Reason"]
        with pytest.raises(FunctionError, match="none of Keystead's"):
            migrate.invoke({})


def test_a_migration_is_not_started_without_time_to_end(
    tmp_path: Path, stack: CloudFormation
) -> None:
    with function(tmp_path, seconds=8) as migrate:
        migrate.invoke(stack.event("Create"))
        [told] = stack.answers
        assert (told["Status"], told["Reason"]) == (
            "FAILED",
            "TimeoutError: nothing was begun: less than 10 s are left",
        )
    assert tables(tmp_path) == 0


def test_a_long_reason_is_cut_to_cloudformations_limit(
    tmp_path: Path, stack: CloudFormation
) -> None:
    with function(tmp_path, {"KEYSTEAD_DATABASE_URL": "я" * 3_000 + "://x"}) as migrate:
        migrate.invoke(stack.event("Create"))
        migrate.invoke(stack.event("Drop"))
        created, other = stack.answers
    assert created["Status"] == other["Status"] == "FAILED"
    assert "яяя" in created["Reason"]
    assert "'Drop'" in other["Reason"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://example.org"])
def test_an_answer_is_sent_only_to_https(tmp_path: Path, stack: CloudFormation, url: str) -> None:
    with function(tmp_path) as migrate, pytest.raises(FunctionError, match="an https address"):
        migrate.invoke(stack.event("Delete", ResponseURL=url))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"KEYSTEAD_SECRET_KEY": "short"}, "KEYSTEAD_SECRET_KEY"),
        ({"KEYSTEAD_DATABASE_URL": "oracle://a:hidden@b/c"}, "unknown database"),
        ({"KEYSTEAD_SECRETS": "nonsense"}, "not the ARN of a secret"),
    ],
)
def test_cloudformation_is_answered_if_the_application_cannot_be_imported(
    tmp_path: Path, stack: CloudFormation, wrong: dict[str, str], said: str
) -> None:
    with function(tmp_path, wrong) as migrate:
        migrate.invoke(stack.event("Create"))
        migrate.invoke(stack.event("Delete"))
        created, deleted = stack.answers
        assert created["Status"] == "FAILED"
        assert said in created["Reason"]
        assert "Traceback" in migrate.log.read_text()
        assert "hidden" not in json.dumps(created)
        assert deleted["Status"] == "SUCCESS"
        assert "hidden" not in migrate.log.read_text()


def test_cloudformation_is_answered_before_the_time_is_over(
    tmp_path: Path, stack: CloudFormation
) -> None:
    """Another migrator holds the lock and does not release it."""
    with function(tmp_path, seconds=14) as migrate, migrating(tmp_path):
        with pytest.raises(FunctionError, match="exit"):
            # After the answer the process ends: the migration must not continue, nor hold its
            # locks.
            migrate.invoke(stack.event("Create"))
        with pytest.raises(FunctionError, match="exit"):
            migrate.invoke({})
        assert "MigrationTimeout: no end within" in migrate.log.read_text()
    [told] = stack.answers
    assert told["Status"] == "FAILED"
    assert "no end within" in told["Reason"]


@pytest.mark.only("postgres", "mysql", "mariadb")
def test_a_paused_database_is_retried(tmp_path: Path) -> None:
    kind = databases.KINDS[databases.server().name]
    assert issubclass(kind, OwnServer)
    with (
        kind("") as server,
        databases.using(server),
        ThreadPoolExecutor(1) as threads,
        function(tmp_path) as migrate,
    ):
        server.kill()
        with socket.create_server(("127.0.0.1", server.port)) as asleep:
            asleep.settimeout(60)
            said = threads.submit(migrate.invoke, {})
            asleep.accept()[0].close()
        server.serve()
        assert said.result()["revision"]


CLOCK = """\
import app.aws.custom_resource
class Clock:
    now = 0
    def monotonic(self):
        return self.now
    def sleep(self, seconds):
        self.now += seconds
clock = app.aws.custom_resource.time = Clock()
from handler import migrate
from app.errors import DatabaseUnavailable
def handler(event, context):
    try:
        migrate(event, context)
    except DatabaseUnavailable:
        return clock.now
"""


@pytest.mark.only("sqlite")
def test_a_database_that_stays_down_is_retried_for_a_minute(tmp_path: Path) -> None:
    nobody = f"postgresql://arthur@127.0.0.1:{free_port()}/keystead"
    environment = make_environment(tmp_path, database_url=nobody)
    options = guest(tmp_path, CLOCK)
    with Emulator(artifact("postgresql"), environment, tmp_path / "run", **options) as emulator:
        assert 60 <= emulator.invoke({}) <= 61


def test_an_answer_is_sent_again_after_a_failure(tmp_path: Path, stack: CloudFormation) -> None:
    stack.refusals = 2
    with function(tmp_path) as migrate:
        migrate.invoke(stack.event("Create"))
    [told] = stack.answers
    assert told["Status"] == "SUCCESS"


def test_by_hand(tmp_path: Path) -> None:
    with function(tmp_path) as migrate:
        said = migrate.invoke({})
        assert said == migrate.invoke({})
    assert in_database(tmp_path, "SELECT version_num FROM keystead_version") == [
        (said["revision"],)
    ]
