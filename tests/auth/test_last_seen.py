"""A session's use is noted after the answer, and its cookie renewed."""

import time
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path

import jwt
import pytest
import time_machine

from app.database.limits import LOCK_SECONDS
from tests.databases import holding, in_database
from tests.service import SECRET, Service, in_process, over_tcp

OWN = {"Sec-Fetch-Site": "same-origin"}


def age(service: Service, minutes: int) -> None:
    """Let every session have been seen `minutes` ago."""
    then = datetime.now(UTC) - timedelta(minutes=minutes)
    in_database(service.folder, "UPDATE user_session SET last_seen_at = :then", then=then)


def seen(service: Service) -> datetime:
    [(found,)] = in_database(service.folder, "SELECT last_seen_at FROM user_session")
    time = datetime.fromisoformat(str(found))
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def log_in(service: Service, path: str = "/auth/cookie/login") -> dict[str, str]:
    person = service.register()
    form = {"username": person.email, "password": person.password}
    answer = service.client.post(path, data=form, headers=OWN)
    service.client.cookies.clear()
    if "cookie" in path:
        return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.mark.parametrize("path", ["/auth/jwt/login", "/auth/cookie/login"])
def test_a_request_after_five_minutes_is_noted(tmp_path: Path, path: str) -> None:
    with in_process(tmp_path, tick_seconds="0") as service:
        headers = log_in(service, path)
        for minutes, is_noted in [(4, False), (6, True)]:
            age(service, minutes)
            before = seen(service)
            assert service.client.get("/users/me", headers=headers).status_code == 200
            assert (seen(service) > before) is is_noted


@pytest.mark.only("sqlite")
def test_the_cookie_is_renewed_with_it(tmp_path: Path) -> None:
    with in_process(tmp_path, tick_seconds="0") as service:
        headers = log_in(service)
        assert "set-cookie" not in service.client.get("/users/me", headers=headers).headers
        age(service, 6)
        answer = service.client.get("/users/me", headers=headers)
        [(name, morsel)] = SimpleCookie(answer.headers["set-cookie"]).items()
        assert (name, morsel["max-age"]) == ("keystead", str(14 * 86_400))
        claims = [
            jwt.decode(token, options={"verify_signature": False})
            for token in (headers["Cookie"].partition("=")[2], morsel.value)
        ]
        assert claims[0] == claims[1]
        service.client.cookies.clear()
        # Log-out deletes the cookie, and does not renew it.
        age(service, 6)
        out = service.client.post("/auth/cookie/logout", headers=headers | OWN)
        assert [value.partition(";")[0] for value in out.headers.get_list("set-cookie")] == [
            'keystead=""'
        ]


@pytest.mark.only("sqlite")
def test_a_renewed_cookie_is_signed_by_the_key_that_stays(tmp_path: Path) -> None:
    new = SECRET[::-1]
    with in_process(tmp_path, tick_seconds="0") as service:
        headers = log_in(service)
    with in_process(tmp_path, tick_seconds="0", secret_key=f"{new},{SECRET}") as service:
        age(service, 6)
        answer = service.client.get("/users/me", headers=headers)
        renewed = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    with in_process(tmp_path, tick_seconds="0", secret_key=new) as service:
        assert service.client.get("/users/me", headers=headers).status_code == 401
        assert service.client.get("/users/me", headers=renewed).status_code == 200


@pytest.mark.only("sqlite")
def test_an_ended_session_is_not_seen_again(tmp_path: Path) -> None:
    with in_process(tmp_path, tick_seconds="0") as service:
        headers = log_in(service, "/auth/jwt/login")
        age(service, 6)
        assert service.client.post("/auth/jwt/logout", headers=headers).status_code == 204
        assert in_database(service.folder, "SELECT count(*) FROM user_session") == [(0,)]


@pytest.mark.only("sqlite")
def test_a_session_in_use_outlives_a_short_idle_time(tmp_path: Path) -> None:
    """The setting may be shorter than the five minutes after which a use is noted."""
    idle = 300
    with (
        in_process(tmp_path, tick_seconds="0", session_idle_seconds=str(idle)) as service,
        time_machine.travel(datetime.now(UTC), tick=False) as clock,
    ):
        headers = log_in(service)
        for _ in range(3):
            clock.shift(idle - 1)
            assert service.client.get("/users/me", headers=headers).status_code == 200
        clock.shift(idle)
        assert service.client.get("/users/me", headers=headers).status_code == 401


@pytest.mark.only("postgres")
def test_locked_sessions_do_not_take_the_connections_of_other_requests(tmp_path: Path) -> None:
    """Each request would hold one while it waits to note its session's use."""
    with over_tcp(tmp_path, tick_seconds="0", database_connections="2") as service:
        visitors = [log_in(service, "/auth/jwt/login") for _ in range(2)]
        age(service, 6)
        with holding(tmp_path, "BEGIN", "SELECT id FROM user_session FOR UPDATE"):
            started = time.monotonic()
            for headers in visitors:
                assert service.who_am_i(headers) == {200}
            assert time.monotonic() - started < LOCK_SECONDS
