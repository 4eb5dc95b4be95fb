"""The deployment's migration: a custom resource of CloudFormation.

Imports the application late, so that CloudFormation gets an answer even if that fails. See "Custom
resource request and response reference" in CloudFormation's user guide.
"""

import asyncio
import json
import os
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

_MARGIN_SECONDS = 10  # to answer CloudFormation before the time is over
_WAKING_SECONDS = 60  # for a database that was paused or has just been created
_TRIES = 3
_ANSWER_BYTES = 4_096  # CloudFormation's limit


class MigrationTimeout(TimeoutError):
    """The work is still running and must not outlive the answer: it holds locks."""


def answer(event: dict[str, Any], context: Any, work: Callable[[], str]) -> dict[str, Any]:
    """Run `work` for a custom resource that is created or updated, and answer CloudFormation.

    Deleting the resource changes nothing: the data is worth more than the stack. Without a
    ResponseURL (invoked by hand) the result of `work` is returned, or its error raised. Ends the
    process if the work does not end in time.
    """
    response: dict[str, Any] = {
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId") or "keystead-schema",
        **{name: event.get(name) for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    by_hand = "ResponseURL" not in event
    unfinished = False
    try:
        if by_hand or event.get("RequestType") in ("Create", "Update"):
            response["Data"] = {"Revision": _in_time(context, work)}
        elif event.get("RequestType") != "Delete":
            raise ValueError(f"a request to {event.get('RequestType')!r}")
    except BaseException as error:
        traceback.print_exc()
        response |= {"Status": "FAILED", "Reason": f"{type(error).__name__}: {error}"}
        unfinished = isinstance(error, MigrationTimeout)
        if by_hand and not unfinished:
            raise
    if not by_hand:
        _send(event["ResponseURL"], response)
    if unfinished:
        # A frozen process would keep the transaction and its locks for hours.
        sys.stderr.flush()
        os._exit(1)
    return {"revision": response["Data"]["Revision"]} if by_hand else response


def bring_to_head() -> str:
    """Migrate the database of the settings, and return its revision.

    The schema of a newer release, as after a rollback, is left alone. Raises PreflightError, and
    TimeoutError if other transactions are in the way.
    """
    from app.logs import configure_logging
    from app.models import TABLES
    from app.resources import schema_database
    from app.schema.preflight import check_migratable
    from app.schema.upgrade import migrate
    from app.settings.model import Settings

    settings = Settings()
    configure_logging(settings.log_level, as_json=settings.is_production)
    found = _retry_until_awake(
        lambda: asyncio.run(check_migratable(schema_database(settings), TABLES))
    )
    if not found.usable:
        migrate(settings.migration_url)
    return max(found.current or "", found.head)


def _retry_until_awake(look: Callable[[], T]) -> T:
    """Return the result of `look`, retried until the database answers."""
    from app.errors import DatabaseUnavailable

    until = time.monotonic() + _WAKING_SECONDS
    while True:
        try:
            return look()
        except DatabaseUnavailable:
            if time.monotonic() > until:
                raise
        time.sleep(1)


def _in_time(context: Any, work: Callable[[], str]) -> str:
    """Return the result of `work`. Raises MigrationTimeout before Lambda ends the process."""
    seconds = context.get_remaining_time_in_millis() / 1_000 - _MARGIN_SECONDS
    if seconds <= 0:
        raise TimeoutError(f"nothing was begun: less than {_MARGIN_SECONDS} s are left")
    threads = ThreadPoolExecutor(1)
    doing = threads.submit(work)
    try:
        return doing.result(seconds)
    except TimeoutError:
        if doing.done():
            raise
        raise MigrationTimeout(f"no end within {seconds:.0f} s; run it again") from None
    finally:
        threads.shutdown(wait=False)


def _send(url: str, response: dict[str, Any]) -> None:
    """Send the answer to CloudFormation. Raises OSError, ValueError."""
    if not url.startswith(("https://", "http://127.0.0.1:")):
        raise ValueError("an answer goes to an https address")
    body = json.dumps(response).encode()
    while len(body) > _ANSWER_BYTES and response.get("Reason"):
        response["Reason"] = response["Reason"][: len(response["Reason"]) // 2]
        body = json.dumps(response).encode()
    # The URL is signed for exactly these headers.
    request = urllib.request.Request(url, body, {"Content-Type": ""}, method="PUT")
    for tries_left in reversed(range(_TRIES)):
        try:
            urllib.request.urlopen(request, timeout=10).close()
            return
        except OSError:
            if not tries_left:
                raise
        time.sleep(1)
