"""The deployment's step that migrates: a custom resource of CloudFormation.

Imports nothing of the application before there is somebody to tell what is wrong with it. See
"Custom resource request and response reference" in CloudFormation's user guide.
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

_MARGIN_SECONDS = 10  # to tell CloudFormation that it took too long
_WAKING_SECONDS = 60  # a database that paused, or has just been made
_TRIES = 3
_ANSWER_BYTES = 4_096  # CloudFormation takes no more


class MigrationTimeout(TimeoutError):
    """The work is still going on, and must not outlive the answer: it holds locks."""


def answer(event: dict[str, Any], context: Any, work: Callable[[], str]) -> dict[str, Any]:
    """Do `work` for a custom resource that is created or updated, and tell CloudFormation.

    Nothing is done when it is deleted: the data is worth more than the stack. Without a
    ResponseURL, whoever invoked it by hand gets what `work` returns, or its error. Ends the
    process if the work has no end in time.
    """
    told: dict[str, Any] = {
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId") or "keystead-schema",
        **{name: event.get(name) for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    by_hand = "ResponseURL" not in event
    unfinished = False
    try:
        if by_hand or event.get("RequestType") in ("Create", "Update"):
            told["Data"] = {"Revision": _in_time(context, work)}
        elif event.get("RequestType") != "Delete":
            raise ValueError(f"a request to {event.get('RequestType')!r}")
    except BaseException as error:
        traceback.print_exc()
        told |= {"Status": "FAILED", "Reason": f"{type(error).__name__}: {error}"}
        unfinished = isinstance(error, MigrationTimeout)
        if by_hand and not unfinished:
            raise
    if not by_hand:
        _tell(event["ResponseURL"], told)
    if unfinished:
        # A frozen sandbox would keep the transaction open, and everybody waiting, for hours.
        sys.stderr.flush()
        os._exit(1)
    return {"revision": told["Data"]["Revision"]} if by_hand else told


def bring_to_head() -> str:
    """Migrate the database that the settings name, and return its revision.

    On a newer release's schema there is nothing to do: that is where a roll-back finds itself.
    Raises PreflightError, and TimeoutError if other transactions are in the way.
    """
    from app.logs import configure_logging
    from app.models import TABLES
    from app.schema.preflight import check_migratable
    from app.schema.upgrade import migrate
    from app.settings.model import Settings

    settings = Settings()
    configure_logging(settings.log_level, as_json=settings.is_production)
    url = settings.database_url
    found = _retry_until_awake(lambda: asyncio.run(check_migratable(url, TABLES)))
    if not found.usable:
        migrate(url)
    return max(found.current or "", found.head)


def _retry_until_awake(look: Callable[[], T]) -> T:
    """Return what `look` does, once the database answers."""
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
    """Return what `work` does. Raises MigrationTimeout before Lambda would end the process."""
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


def _tell(url: str, told: dict[str, Any]) -> None:
    """Send CloudFormation's answer to where it wants it. Raises OSError, ValueError."""
    if not url.startswith(("https://", "http://127.0.0.1:")):
        raise ValueError("an answer goes to an https address")
    body = json.dumps(told).encode()
    while len(body) > _ANSWER_BYTES and told.get("Reason"):
        told["Reason"] = told["Reason"][: len(told["Reason"]) // 2]
        body = json.dumps(told).encode()
    # An address signed for exactly these headers.
    request = urllib.request.Request(url, body, {"Content-Type": ""}, method="PUT")
    for tries_left in reversed(range(_TRIES)):
        try:
            urllib.request.urlopen(request, timeout=10).close()
            return
        except OSError:
            if not tries_left:
                raise
        time.sleep(1)
