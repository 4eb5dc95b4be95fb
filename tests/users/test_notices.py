"""The notices of a changed address or password, and the mail of an account that is deleted."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app import clock
from app.database.engine import Database
from app.mail.tables import MailMessage
from app.users.emails import email_key, same_spelling
from tests.databases import in_database
from tests.service import (
    WAIT_SECONDS,
    Account,
    Service,
    in_process,
    new_address,
    settings_from,
    text_of,
)

CONFIRM = "Confirm your e-mail address"
RESET = "Choose a new password"
MOVED = "Your e-mail address was changed"
CHANGED = "Your password was changed"
NEW = "a new password"


def assert_subjects(service: Service, address: str, *expected: str) -> None:
    """Ask for a last letter to `address`; when it has come, all others must have."""
    service.client.post("/auth/forgot-password", json={"email": address})
    deadline = time.monotonic() + WAIT_SECONDS
    while RESET not in (subjects := [str(one["Subject"]) for one in service.letters(address)]):
        assert time.monotonic() < deadline, subjects
        time.sleep(0.02)
    assert sorted(subjects) == sorted((*expected, RESET))


def wait_for(service: Service, address: str, *expected: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while sorted(str(one["Subject"]) for one in service.letters(address)) != sorted(expected):
        assert time.monotonic() < deadline, service.letters(address)
        time.sleep(0.02)


def leave(service: Service, address: str, *states: str) -> None:
    """Put messages to `address` into the outbox that no delivery takes now."""

    async def run() -> None:
        url = settings_from(service.environment).database_url
        async with Database(url) as database, database.transaction() as session:
            for state in states:
                row = MailMessage(letter="verify", address=address, state=state, attempts=1)
                row.due_at = clock.now() + timedelta(hours=1)
                row.error = f"550 {address}: unknown"
                session.add(row)

    asyncio.run(run())


def change(service: Service, person: Account, by: str, **values: Any) -> None:
    actor = person if by == "its owner" else service.superuser()
    path = "/users/me" if by == "its owner" else f"/users/{person.id}"
    answer = service.client.patch(path, json=values, headers=service.login(actor))
    assert answer.status_code == 200, answer.text


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("by", ["its owner", "a superuser"])
def test_the_old_address_hears_of_the_change(tmp_path: Path, by: str) -> None:
    with in_process(tmp_path) as service:
        person, other = service.register(), new_address()
        wait_for(service, person.email, CONFIRM)
        change(service, person, by, email=other)
        assert_subjects(service, other, CONFIRM)
        wait_for(service, person.email, CONFIRM, MOVED)
        notice = text_of(service.letters(person.email)[1])
        assert other not in notice
        assert "eyJ" not in notice


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("by", ["its owner", "a superuser"])
def test_the_account_hears_of_another_password(tmp_path: Path, by: str) -> None:
    with in_process(tmp_path) as service:
        person = service.register()
        change(service, person, by, password=NEW)
        assert_subjects(service, person.email, CONFIRM, CHANGED)


@pytest.mark.only("sqlite")
def test_the_old_address_hears_of_both_at_once(tmp_path: Path) -> None:
    with in_process(tmp_path) as service:
        person, other = service.register(), new_address()
        wait_for(service, person.email, CONFIRM)
        change(service, person, "its owner", email=other, password=NEW)
        assert_subjects(service, other, CONFIRM)
        wait_for(service, person.email, CONFIRM, MOVED, CHANGED)


@pytest.mark.only("sqlite")
def test_a_reset_is_a_change(tmp_path: Path) -> None:
    with in_process(tmp_path) as service:
        person = service.register()
        assert_subjects(service, person.email, CONFIRM)
        service.letter(person.email)
        body = {"token": service.token(person.email), "password": NEW}
        assert service.client.post("/auth/reset-password", json=body).status_code == 200
        wait_for(service, person.email, CONFIRM, RESET, CHANGED)


@pytest.mark.only("sqlite")
def test_nobody_hears_of_what_stays(tmp_path: Path) -> None:
    with in_process(tmp_path) as service:
        person = service.register()
        change(service, person, "a superuser", is_verified=True)
        headers = service.login(person)
        for values in ({"password": "x"}, {"email": "no address"}):
            refused = service.client.patch("/users/me", json=values, headers=headers)
            assert refused.status_code in (400, 422)
        change(service, person, "its owner", email=person.email)
        assert_subjects(service, person.email, CONFIRM)


@pytest.mark.only("sqlite")
def test_requests_in_any_spelling_are_equal(tmp_path: Path) -> None:
    """Nothing is sent: the mail server does not answer."""
    with in_process(tmp_path, mail_url="smtp://127.0.0.1:1") as service:
        service.register("fiona@camelot.bt")
        for typed in ("FIONA@camelot.bt", "\ufb01ona@CAMELOT.bt", "fiona@camelot.bt"):
            for path in ("/auth/forgot-password", "/auth/request-verify-token"):
                assert service.client.post(path, json={"email": typed}).status_code == 202
        rows = in_database(service.folder, "SELECT DISTINCT address FROM mail_message")
        assert rows == [("fiona@camelot.bt",)]


@pytest.mark.only("sqlite")
def test_a_spelling_is_of_the_same_address() -> None:
    """Also of characters that are folded twice."""
    for email in ("fiona@camelot.bt", "\u02d8\u0f77\u0345\u031f\u22aa@camelot.bt"):
        assert email_key(same_spelling(email)) == email_key(email)


def test_the_outbox_forgets_a_deleted_account(tmp_path: Path) -> None:
    """Sent, dead and waiting messages, their errors, another spelling, a former address."""
    with in_process(tmp_path) as service:
        person, stays = service.register(), service.register()
        wait_for(service, person.email, CONFIRM)
        wait_for(service, stays.email, CONFIRM)
        moved = Account(person.id, f"x{person.email}")
        change(service, person, "its owner", email=moved.email)
        wait_for(service, person.email, CONFIRM, MOVED)
        wait_for(service, moved.email, CONFIRM)
        leave(service, moved.email, "dead", "dropped", "waiting", "sent")
        leave(service, moved.email.casefold(), "waiting")
        headers = service.login(service.superuser())
        assert service.client.delete(f"/users/{person.id}", headers=headers).status_code == 204
        service.client.post("/auth/forgot-password", json={"email": moved.email})
        assert_subjects(service, stays.email, CONFIRM)
        kept = str(in_database(service.folder, "SELECT address, error FROM mail_message"))
        assert person.email not in kept
        assert stays.email in kept
