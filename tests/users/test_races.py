"""Changes that race with a password's verification."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.security import OAuth2PasswordRequestForm
from sqlalchemy import delete

from app.actor import OPERATOR, Actor
from app.database.engine import Database
from app.errors import Forbidden, Unauthorized
from app.resources import Resources
from app.sessions.tables import UserSession
from app.settings.database_url import with_driver
from app.users.database import UserDatabase
from app.users.manager import UserManager
from app.users.schemas import UserCreate
from app.users.tables import User
from tests.service import PASSWORD, in_process

ADDRESS = "arthur@camelot.bt"
FORM = OAuth2PasswordRequestForm(username=ADDRESS, password=PASSWORD)


class Pause:
    """Holds every hash of these resources until it is released."""

    def __init__(self, resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self._go_on = threading.Event(), threading.Event()
        for name in ("hash", "verify_and_update"):
            real = getattr(resources.passwords.helper, name)
            monkeypatch.setattr(resources.passwords.helper, name, self._slow(real))

    def _slow(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*arguments: str) -> Any:
            self.begun.set()
            assert self._go_on.wait(30)
            return real(*arguments)

        return slow

    @asynccontextmanager
    async def around(self, work: Awaitable[Any]) -> AsyncIterator[asyncio.Future[Any]]:
        """Start `work`, hold it in its hash, and release it after the block."""
        task = asyncio.ensure_future(work)
        await asyncio.to_thread(self.begun.wait, 30)
        yield task
        self._go_on.set()
        await asyncio.wait([task])


@asynccontextmanager
async def manager(resources: Resources, actor: Actor = OPERATOR) -> AsyncIterator[UserManager]:
    """Give a manager of accounts in a transaction of its own."""
    async with resources.database.transaction() as session:
        yield UserManager(resources, session, actor)


async def make_arthur(resources: Resources) -> User:
    async with manager(resources) as accounts:
        return await accounts.create(UserCreate(email=ADDRESS, password=PASSWORD))


@pytest.mark.parametrize("change", [{"hashed_password": "!"}, None])
def test_a_log_in_overtaken_by_a_reset_or_a_deletion_fails(
    in_resources: Callable[[Any], Any],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any] | None,
) -> None:
    async def check(resources: Resources) -> None:
        arthur = await make_arthur(resources)

        async def log_in() -> User | None:
            async with manager(resources) as accounts:
                return await accounts.authenticate(FORM)

        async with (
            Pause(resources, monkeypatch).around(log_in()) as login,
            manager(resources) as accounts,
        ):
            if change is None:
                await accounts.delete(arthur)
            else:
                await accounts.apply(dict(change), arthur.id)
        assert await login is None

    in_resources(check)


def test_a_session_revoked_meanwhile_changes_nothing(
    in_resources: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thief's change of password, started before the owner revoked all sessions."""

    async def check(resources: Resources) -> None:
        arthur = await make_arthur(resources)
        async with manager(resources) as accounts:
            user = await accounts.authenticate(FORM)
            assert user is not None
            opened = await accounts.open_session(user)

        async def steal() -> None:
            thief = Actor("user", arthur.id, opened.id)
            async with manager(resources, thief) as accounts:
                await accounts.apply({"password": "the thief's"}, arthur.id, own=True)

        async with (
            Pause(resources, monkeypatch).around(steal()) as theft,
            manager(resources) as accounts,
        ):
            await accounts.sessions.revoke_all(arthur.id)
        with pytest.raises(Unauthorized):
            await theft
        async with manager(resources) as accounts:
            assert await accounts.authenticate(FORM) is not None

    in_resources(check)


def test_an_unverified_account_changes_nothing_where_verification_is_required(
    in_resources: Callable[[Any], Any],
) -> None:
    async def check(resources: Resources) -> None:
        arthur = await make_arthur(resources)
        async with manager(resources) as accounts:
            opened = await accounts.open_session(arthur)
        settings = resources.settings.model_copy(update={"require_verified": True})
        strict = replace(resources, settings=settings)
        async with manager(strict, Actor("user", arthur.id, opened.id)) as accounts:
            with pytest.raises(Forbidden):
                await accounts.apply({"email": "a@b.bt"}, arthur.id, own=True)

    in_resources(check)


@pytest.mark.parametrize(
    ("method", "change"), [("PATCH", {"password": "another 1"}), ("DELETE", None)]
)
@pytest.mark.parametrize(
    ("loss", "status"), [("is_superuser", 403), ("is_active", 401), ("login", 401)]
)
def test_a_superuser_who_lost_the_right_meanwhile_changes_no_account(
    tmp_path: Path, method: str, change: dict[str, str] | None, loss: str, status: int
) -> None:
    """A superuser's change, waiting for the transaction that removes the right to it."""
    with in_process(tmp_path) as service, ThreadPoolExecutor() as threads:
        superuser, other = service.superuser(), service.register()
        headers = service.login(superuser)

        async def take_away() -> Future[Any]:
            url = with_driver(service.environment["KEYSTEAD_DATABASE_URL"])
            async with Database(url) as database, database.transaction() as session:
                user = await UserDatabase(session).get_locked(UUID(superuser.id))
                if loss == "login":
                    await session.execute(delete(UserSession))
                else:
                    setattr(user, loss, False)
                    await session.flush()
                path = f"/users/{other.id}"
                asked = threads.submit(
                    service.client.request, method, path, headers=headers, json=change
                )
                await asyncio.sleep(1)
                assert not asked.done()
            return asked

        assert asyncio.run(take_away()).result(30).status_code == status
        assert service.try_login(other.email, PASSWORD).status_code == 200
