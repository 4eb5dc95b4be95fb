"""What happens between the check of a password and the change that follows from it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.security import OAuth2PasswordRequestForm
from sqlalchemy import delete

from app.database import Database
from app.dsn import with_driver
from app.errors import Forbidden, Unauthorized
from app.mail.outbox import Outbox
from app.services import Services
from app.sessions.guard import find_principal
from app.sessions.logins import Logins
from app.sessions.tables import UserSession
from app.users.manager import UserManager
from app.users.schemas import UserCreate
from app.users.store import UserStore
from app.users.tables import User
from tests.service import PASSWORD, over_tcp

ADDRESS = "arthur@camelot.bt"
FORM = OAuth2PasswordRequestForm(username=ADDRESS, password=PASSWORD)


class Pause:
    """Stops every hash of these services until it is let go."""

    def __init__(self, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self._go_on = threading.Event(), threading.Event()
        for name in ("hash", "verify_and_update"):
            real = getattr(services.passwords.helper, name)
            monkeypatch.setattr(services.passwords.helper, name, self._slow(real))

    def _slow(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*arguments: str) -> Any:
            self.begun.set()
            assert self._go_on.wait(30)
            return real(*arguments)

        return slow

    @asynccontextmanager
    async def around(self, work: Awaitable[Any]) -> AsyncIterator[asyncio.Future[Any]]:
        """Begin `work`, hold it where it hashes, and let it go on after the block."""
        task = asyncio.ensure_future(work)
        await asyncio.to_thread(self.begun.wait, 30)
        yield task
        self._go_on.set()
        await asyncio.wait([task])


@asynccontextmanager
async def manager(services: Services) -> AsyncIterator[UserManager]:
    """Give a manager of accounts within a transaction of its own."""
    async with services.database.transaction() as session:
        logins = Logins(session, services.signer, 3_600)
        outbox = Outbox(session, services.mail_waiting)
        yield UserManager(services, UserStore(session), logins, outbox)


async def make_arthur(services: Services) -> User:
    async with manager(services) as accounts:
        return await accounts.create(UserCreate(email=ADDRESS, password=PASSWORD))


@pytest.mark.parametrize("change", [{"hashed_password": "!"}, None])
def test_a_login_that_was_overtaken_by_a_reset_or_a_deletion_is_none(
    in_services: Callable[[Any], Any],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any] | None,
) -> None:
    async def check(services: Services) -> None:
        arthur = await make_arthur(services)

        async def log_in() -> User | None:
            async with manager(services) as accounts:
                return await accounts.authenticate(FORM)

        async with (
            Pause(services, monkeypatch).around(log_in()) as login,
            manager(services) as accounts,
        ):
            if change is None:
                await accounts.delete(arthur)
            else:
                await accounts.apply(dict(change), arthur.id)
        assert await login is None

    in_services(check)


def test_whoever_lost_the_login_meanwhile_changes_nothing(
    in_services: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thief's change of password, begun before the owner ended all logins."""

    async def check(services: Services) -> None:
        arthur = await make_arthur(services)
        async with manager(services) as accounts:
            user = await accounts.authenticate(FORM)
            assert user is not None
            assert isinstance(accounts.logins, Logins)
            token = await accounts.logins.open(user)

        async def steal() -> None:
            thief = await find_principal(services, token)
            assert thief is not None
            async with manager(services) as accounts:
                await accounts.apply({"password": "the thief's"}, thief.id, by=thief, own=True)

        async with (
            Pause(services, monkeypatch).around(steal()) as theft,
            manager(services) as accounts,
        ):
            await accounts.logins.end_all(arthur.id)
        with pytest.raises(Unauthorized):
            await theft
        async with manager(services) as accounts:
            assert await accounts.authenticate(FORM) is not None

    in_services(check)


def test_whoever_must_prove_a_new_address_first_changes_nothing(
    in_services: Callable[[Any], Any],
) -> None:
    async def check(services: Services) -> None:
        arthur = await make_arthur(services)
        async with manager(services) as accounts:
            token = await Logins(accounts.user_db.session, services.signer, 3_600).open(arthur)
        principal = await find_principal(services, token)
        async with manager(services) as accounts:
            accounts.require_verified = True
            with pytest.raises(Forbidden):
                await accounts.apply({"email": "a@b.bt"}, arthur.id, by=principal, own=True)

    in_services(check)


@pytest.mark.parametrize(
    ("method", "change"), [("PATCH", {"password": "another 1"}), ("DELETE", None)]
)
@pytest.mark.parametrize(
    ("loss", "status"), [("is_superuser", 403), ("is_active", 401), ("login", 401)]
)
def test_whoever_lost_the_right_meanwhile_changes_nobody(
    tmp_path: Path, method: str, change: dict[str, str] | None, loss: str, status: int
) -> None:
    """A superuser's change, which waits for whoever takes the right to it away."""
    with over_tcp(tmp_path, workers=1) as service, ThreadPoolExecutor() as threads:
        superuser, other = service.superuser(), service.register()
        headers = service.login(superuser)

        async def take_away() -> Future[Any]:
            url = with_driver(service.environment["KEYSTEAD_DATABASE_URL"])
            async with Database(url) as database, database.transaction() as session:
                user = await UserStore(session).get_locked(UUID(superuser.id))
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
