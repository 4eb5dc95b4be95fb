"""Password hashes: their parameters, their upgrade at a log-in, their limits."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from argon2 import PasswordHasher, Type
from fastapi.security import OAuth2PasswordRequestForm
from sqlalchemy.pool import QueuePool

from app.actor import Actor
from app.crypto.passwords import MAX_WAITING, Passwords, _cores
from app.errors import PasswordHashingBusy
from app.resources import Resources
from app.settings.model import Settings
from app.users.manager import UserManager
from tests.databases import in_database
from tests.service import PASSWORD, Account, Service, in_process

LONG = "x" * 80  # bcrypt looks at 72 bytes


def stored(service: Service, account: Account) -> str:
    statement = "SELECT hashed_password FROM user_account WHERE email = :email"
    [(hashed,)] = in_database(service.folder, statement, email=account.email)
    return str(hashed)


def store(service: Service, account: Account, hashed: str) -> None:
    statement = "UPDATE user_account SET hashed_password = :hashed WHERE email = :email"
    in_database(service.folder, statement, hashed=hashed, email=account.email)


def argon2(time_cost: int, memory_cost: int, parallelism: int = 1, **options: Any) -> str:
    return PasswordHasher(time_cost, memory_cost, parallelism, **options).hash(PASSWORD)


def old_hashes() -> dict[str, tuple[str, str]]:
    return {
        "argon2id, few passes": (PASSWORD, argon2(1, 64)),
        "argon2id, little memory": (PASSWORD, argon2(4, 8)),
        "argon2id, many lanes": (PASSWORD, argon2(1, 64, 8)),
        "argon2id, a short hash": (PASSWORD, argon2(2, 64, hash_len=12)),
        "argon2id, a short salt": (PASSWORD, argon2(2, 64, salt_len=8)),
        "argon2i": (PASSWORD, argon2(3, 64, type=Type.I)),
        "argon2d": (PASSWORD, argon2(3, 64, type=Type.D)),
        "bcrypt": (PASSWORD, bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()),
        "bcrypt, long": (LONG, bcrypt.hashpw(LONG.encode()[:72], bcrypt.gensalt(4)).decode()),
    }


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("kind", old_hashes())
def test_older_hashes_are_upgraded_at_login(tmp_path: Path, kind: str) -> None:
    password, old = old_hashes()[kind]
    with in_process(tmp_path) as service:
        person = service.register(password=password)
        store(service, person, old)
        assert service.try_login(person.email, "another password").status_code == 400
        assert stored(service, person) == old
        assert service.try_login(person.email, password).status_code == 200
        assert stored(service, person).startswith("$argon2id$v=19$m=64,t=2,p=1$")
        assert service.try_login(person.email, password).status_code == 200


@pytest.mark.only("sqlite")
@pytest.mark.parametrize(
    ("costs", "lengths"),
    [
        ((3, 65_536, 4), {}),  # argon2-cffi's defaults
        ((1, 128), {}),
        ((3, 64), {}),
        ((2, 64, 2), {}),
        ((2, 64), {"hash_len": 64, "salt_len": 32}),
    ],
)
def test_a_hash_that_costs_an_attacker_as_much_stays(
    tmp_path: Path, costs: tuple[int, ...], lengths: dict[str, int]
) -> None:
    stronger = argon2(*costs, **lengths)
    with in_process(tmp_path) as service:
        person = service.register()
        store(service, person, stronger)
        assert service.try_login(person.email, PASSWORD).status_code == 200
        assert stored(service, person) == stronger


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("nonsense", ["", "!", "plain text", "$argon2id$v=19$m=64,t=2,p=1$x$y"])
def test_an_invalid_hash_matches_no_password(tmp_path: Path, nonsense: str) -> None:
    with in_process(tmp_path) as service:
        person = service.register()
        store(service, person, nonsense)
        assert service.try_login(person.email, PASSWORD).status_code == 400
        assert service.try_login(person.email, nonsense or "x").status_code == 400


@pytest.mark.only("sqlite")
def test_the_default_parameters_are_owasps() -> None:
    passwords = Passwords(Settings(_env_file=None))
    hashed = asyncio.run(passwords.hash(PASSWORD))
    passwords.close()
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.only("sqlite")
def test_an_unknown_account_costs_a_full_verification(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoy has the same parameters: an unknown address is not faster."""
    passwords = Passwords(settings)
    seen: list[str] = []
    real = passwords.helper.verify_and_update

    def spy(password: str, hashed: str) -> tuple[bool, str | None]:
        seen.append(hashed)
        return real(password, hashed)

    monkeypatch.setattr(passwords.helper, "verify_and_update", spy)
    assert asyncio.run(passwords.verify(PASSWORD, None)) == (False, None)
    passwords.close()
    assert seen[0].startswith("$argon2id$v=19$m=64,t=2,p=1$")


@pytest.mark.only("sqlite")
def test_hashes_run_outside_the_event_loop(
    in_resources: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check(resources: Resources) -> None:
        threads: set[str] = set()
        real = resources.passwords.helper.hash

        def spy(password: str) -> str:
            threads.add(threading.current_thread().name)
            return real(password)

        monkeypatch.setattr(resources.passwords.helper, "hash", spy)
        await asyncio.gather(*(resources.passwords.hash(PASSWORD) for _ in range(20)))
        assert all(name.startswith("password") for name in threads)

    in_resources(check)


@pytest.mark.only("sqlite")
def test_hashes_run_at_low_priority(in_resources: Callable[[Any], Any]) -> None:
    """On Linux, where threads have priorities; elsewhere the process keeps its own."""

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)

    async def check(resources: Resources) -> None:
        here = niceness()
        lowered = max(here, 15) if sys.platform == "linux" else here
        assert await resources.passwords._run_in_thread(niceness) == lowered
        assert niceness() == here

    in_resources(check)


@pytest.mark.only("sqlite")
def test_hashes_beyond_the_queue_are_refused(in_resources: Callable[[Any], Any]) -> None:
    async def check(resources: Resources) -> None:
        passwords, go_on = resources.passwords, threading.Event()
        held = [
            asyncio.create_task(passwords._run_in_thread(lambda: go_on.wait(30)))
            for _ in range(MAX_WAITING - 1)
        ]
        last = asyncio.create_task(passwords.hash(PASSWORD))
        await asyncio.sleep(0)
        try:
            with pytest.raises(PasswordHashingBusy):
                async with asyncio.timeout(5):
                    await passwords.hash(PASSWORD)
            held.pop().cancel()
            await asyncio.sleep(0)
            after = asyncio.create_task(passwords.hash(PASSWORD))
            await asyncio.sleep(0)
        finally:
            go_on.set()
        for hashed in await asyncio.gather(last, after):
            assert await passwords.verify(PASSWORD, hashed) == (True, None)
        await asyncio.gather(*held)

    in_resources(check)


@pytest.mark.only("sqlite")
def test_a_hash_that_is_not_started_in_time_is_refused(
    in_resources: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash that has started is finished, however long it takes."""
    monkeypatch.setattr("app.crypto.passwords.WAIT_SECONDS", 0.5)

    async def check(resources: Resources) -> None:
        passwords, go_on = resources.passwords, threading.Event()
        held = [
            asyncio.create_task(passwords._run_in_thread(lambda: go_on.wait(30)))
            for _ in range(_cores())
        ]
        await asyncio.sleep(0)
        try:
            with pytest.raises(PasswordHashingBusy):
                await passwords.hash(PASSWORD)
        finally:
            go_on.set()
        assert await asyncio.gather(*held) == [True] * _cores()
        assert await passwords.verify(PASSWORD, await passwords.hash(PASSWORD)) == (True, None)

    in_resources(check)


def test_a_full_queue_of_hashes_is_503_with_retry_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.crypto.passwords.MAX_WAITING", 0)
    with in_process(tmp_path) as service:
        address = {"email": "arthur@camelot.bt", "password": PASSWORD}
        for answer in (
            service.client.post("/auth/register", json=address),
            service.try_login("arthur@camelot.bt", PASSWORD),
        ):
            assert answer.status_code == 503
            assert answer.json() == {"detail": "PASSWORDS_BUSY"}
            assert answer.headers["retry-after"] == "3"
        assert in_database(service.folder, "SELECT count(*) FROM user_account") == [(0,)]


def test_no_connection_is_held_during_a_hash(
    in_resources: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far more log-ins than the pool has connections, all of them hashing."""

    async def check(resources: Resources) -> None:
        hashing, go_on = threading.Semaphore(0), threading.Event()
        real = resources.passwords.helper.verify_and_update

        def slow(password: str, hashed: str) -> tuple[bool, str | None]:
            hashing.release()
            assert go_on.wait(30)
            return real(password, hashed)

        monkeypatch.setattr(resources.passwords.helper, "verify_and_update", slow)

        async def log_in() -> None:
            async with resources.database.transaction() as session:
                manager = UserManager(resources, session, Actor("anonymous"))
                form = OAuth2PasswordRequestForm(username="nobody@camelot.bt", password="x")
                assert await manager.authenticate(form) is None

        logging_in = [asyncio.create_task(log_in()) for _ in range(40)]
        await asyncio.to_thread(hashing.acquire)
        pool = resources.database.engine.pool
        assert isinstance(pool, QueuePool)
        while pool.checkedout():
            await asyncio.sleep(0.01)
        go_on.set()
        await asyncio.gather(*logging_in)

    in_resources(check)
