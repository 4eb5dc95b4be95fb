"""When a request and a log-in are counted: once each, whatever interrupts or repeats them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from app.auth.login_form import count_login
from app.crypto.passwords import MAX_WAITING, Passwords
from app.database.errors import TransactionConflict
from app.errors import BadRequest, DatabaseUnavailable, PasswordHashingBusy
from app.http.error_handlers import add_exception_handlers
from app.http.request_log import RequestLogMiddleware
from app.http.transaction_retry import TransactionRetryMiddleware
from app.metrics.prometheus import PrometheusRecorder
from app.settings.model import Settings
from tests.metrics.samples import requests, value

pytestmark = pytest.mark.only("sqlite")


@pytest.fixture
def recorder() -> Iterator[PrometheusRecorder]:
    with PrometheusRecorder() as made:
        yield made


def collected(recorder: PrometheusRecorder) -> dict[str, Any]:
    return {family.name: family for family in recorder.collect()}


def run(recorder: PrometheusRecorder, app: Any) -> None:
    """Send a request to `app` within the middleware."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [],
        "state": {"recorder": recorder},
    }

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        pass

    asyncio.run(RequestLogMiddleware(app)(scope, receive, send))


async def unanswered(scope: Scope, receive: Receive, send: Send) -> None:
    pass


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise ZeroDivisionError


async def cancelled(scope: Scope, receive: Receive, send: Send) -> None:
    raise asyncio.CancelledError


def test_a_request_whose_client_went_away_is_no_error_of_the_server(
    recorder: PrometheusRecorder,
) -> None:
    run(recorder, unanswered)
    assert requests(collected(recorder)) == {("unrouted", "GET", "499"): 1}


@pytest.mark.parametrize("app", [failing, cancelled])
def test_a_request_that_fails_or_is_cancelled_is_an_error_of_the_server(
    recorder: PrometheusRecorder, app: Any
) -> None:
    with pytest.raises((ZeroDivisionError, asyncio.CancelledError)):
        run(recorder, app)
    assert requests(collected(recorder)) == {("unrouted", "GET", "500"): 1}


@pytest.mark.parametrize(
    ("errors", "counted"),
    [
        ([None], {"success": 1}),
        ([TransactionConflict("lost"), None], {"success": 1}),
        ([TransactionConflict("lost")] * 4, {}),
        ([DatabaseUnavailable()], {}),
        ([PasswordHashingBusy()], {"busy": 1}),
        ([BadRequest("LOGIN_BAD_CREDENTIALS")], {"bad_credentials": 1}),
        ([BadRequest("LOGIN_USER_NOT_VERIFIED")], {"not_verified": 1}),
    ],
)
def test_a_login_is_counted_once_by_how_its_transaction_ended(
    recorder: PrometheusRecorder, errors: list[Exception | None], counted: dict[str, int]
) -> None:
    """The transaction ends with one of `errors` at each try."""

    async def transaction() -> AsyncIterator[None]:
        yield
        error = errors.pop(0)
        if error is not None:
            raise error

    app = FastAPI()

    @app.post("/login", dependencies=[Depends(count_login, scope="function")])
    async def login(session: Annotated[None, Depends(transaction, scope="function")]) -> None:
        pass

    app.add_middleware(TransactionRetryMiddleware)
    app.add_middleware(RequestLogMiddleware)
    add_exception_handlers(app)
    with TestClient(app) as client:
        client.app_state["recorder"] = recorder
        client.post("/login")
    found = collected(recorder)
    logins = {one.labels["outcome"]: one.value for one in found["keystead_logins"].samples}
    assert {outcome: number for outcome, number in logins.items() if number} == counted
    [(route, _, _)] = requests(found)
    assert route == "/login"
    assert not errors


def test_the_queue_of_hashes_is_measured(settings: Settings) -> None:
    async def check() -> None:
        passwords = Passwords(settings)
        assert passwords.pending == 0
        hashing = [asyncio.create_task(passwords.hash("excalibur 1")) for _ in range(20)]
        await asyncio.sleep(0)
        assert passwords.pending == 20 <= MAX_WAITING
        await asyncio.gather(*hashing)
        assert passwords.pending == 0
        passwords.close()

    asyncio.run(check())


def test_a_process_exports_what_it_was_told(recorder: PrometheusRecorder) -> None:
    recorder.set_hashes(7, 256)
    recorder.set_connections(3, 20)
    found = collected(recorder)
    assert value(found, "keystead_password_hashes_pending") == 7
    assert value(found, "keystead_password_hashes_limit") == 256
    assert value(found, "keystead_database_connections_in_use") == 3
    assert value(found, "keystead_database_connections_limit") == 20
