"""A post office: accounts, an outbox, and its delivery."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Select, select, update

from app import clock
from app.jobs import deliver_mail
from app.mail.outbox import Outbox
from app.mail.tables import MailMessage
from app.resources import Resources, open_resources
from app.users.database import UserDatabase
from app.users.letters import VERIFY
from app.users.tables import User
from tests.service import make_environment, new_address, settings_from


@dataclass
class Office:
    """Accounts and their mail, for a test."""

    resources: Resources

    async def person(self, address: str | None = None) -> User:
        """Return a new account; no mail is enqueued for it."""
        async with self.resources.database.transaction() as session:
            values = {"email": address or new_address(), "hashed_password": "!"}
            user: User = await UserDatabase(session).create(values)
            return user

    async def enqueue(self, *addresses: str, letter: str = VERIFY) -> None:
        """Enqueue a letter to each of `addresses`, each due before the next."""
        for address in addresses:
            async with self.resources.database.transaction() as session:
                Outbox(session, self.resources.mail_waiting).enqueue(letter, address)
        await self.make_due()

    async def letters(self, count: int) -> list[str]:
        """Enqueue letters to new accounts; return their addresses."""
        addresses = [(await self.person()).email for _ in range(count)]
        await self.enqueue(*addresses)
        return addresses

    async def deliver(self) -> dict[str, int]:
        return await deliver_mail(self.resources)

    async def make_due(self) -> None:
        """Make all waiting messages due."""
        async with self.resources.database.transaction() as session:
            for number, row in enumerate(await session.scalars(by_age())):
                if row.state == "waiting":
                    row.due_at = clock.now() + timedelta(seconds=number - 10_000)

    async def set_attempts(self, attempts: int) -> None:
        async with self.resources.database.transaction() as session:
            await session.execute(update(MailMessage).values(attempts=attempts))

    async def rows(self) -> list[MailMessage]:
        """Return the messages of the outbox, the oldest first."""
        async with self.resources.database.transaction() as session:
            return list(await session.scalars(by_age()))

    async def row(self) -> MailMessage:
        """Return the only message."""
        [row] = await self.rows()
        return row

    async def states(self) -> dict[str, str]:
        return {row.address: row.state for row in await self.rows()}


def by_age() -> Select[tuple[MailMessage]]:
    return select(MailMessage).order_by(MailMessage.created_at, MailMessage.id)


@asynccontextmanager
async def open_office(folder: Path, mail_url: str, **settings: str) -> AsyncIterator[Office]:
    """Open an office that sends through `mail_url`."""
    environment = make_environment(folder, mail_url=mail_url, **settings)
    async with open_resources(settings_from(environment)) as resources:
        yield Office(resources)
