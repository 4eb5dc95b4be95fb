"""k: hundreds of letters, couriers that are killed at random, a mail server that hangs up."""

import asyncio
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, AnyStr

import pytest
from sqlalchemy import update

from app.database.statements import execute_rowcount
from app.database.types import utcnow
from app.mail.tables import MailMessage
from app.resources import Resources, open_resources
from app.tick.claim import NEVER
from app.tick.tables import TickJob
from app.users.letters import VERIFY
from app.users.tables import User
from tests.conftest import Cases
from tests.databases import in_database
from tests.exactly_once.worker import context
from tests.mail.smtp import Postmaster, Vanishing, smtp_server
from tests.service import make_environment, settings_from

LETTERS = int(os.environ.get("KEYSTEAD_TEST_LETTERS", "250"))
COURIERS = 3
SEED = 4
SECONDS = 240


class Unreliable(Vanishing):
    """Closes connections at random: before a message, within it, or instead of the OK."""

    chance = random.Random(SEED)
    unsaid = 0  # messages that were accepted without an OK

    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802
        if self.chance.random() < 0.01:
            return self.vanish()
        await super().smtp_MAIL(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if self.chance.random() < 0.01:
            await self.push("354 go ahead")
            await self._reader.readline()
            return self.vanish()
        await super().smtp_DATA(arg)

    async def push(self, status: AnyStr) -> None:
        took = len(self.event_handler.taken)
        if took > getattr(self, "_said", took) and self.chance.random() < 0.02:
            type(self).unsaid += 1
            return self.vanish()
        self._said = took
        await super().push(status)


def carry(environment: Mapping[str, str], through_the_tick: bool) -> None:
    """Deliver mail until killed."""
    asyncio.run(_carry(environment, through_the_tick))


async def _carry(environment: Mapping[str, str], through_the_tick: bool) -> None:
    from app.jobs import JOBS, deliver_mail
    from app.tick.runner import Runner

    async with open_resources(settings_from(environment)) as resources:
        while True:
            if through_the_tick:
                await Runner(resources, JOBS).tick("courier", only="mail")
            else:
                await deliver_mail(resources)
            await asyncio.sleep(0.05)


async def write_letters(resources: Resources) -> set[str]:
    """Enqueue a letter to each of many addresses; return them."""
    people = [f"k{number}@camelot.bt" for number in range(LETTERS)]
    async with resources.database.transaction() as session:
        for address in people:
            session.add(User(email=address, email_key=address, hashed_password="-"))
            session.add(MailMessage(letter=VERIFY, address=address))
    return set(people)


async def time_passes(resources: Resources) -> int:
    """Expire the leases of killed couriers; return how many messages are waiting."""
    async with resources.database.transaction() as session:
        await session.execute(update(TickJob).values(lease_until=NEVER, attempts=0))
        waiting = update(MailMessage).where(MailMessage.state == "waiting")
        return await execute_rowcount(session, waiting.values(due_at=utcnow()))


async def until_they_are_dead(environment: Mapping[str, str], chance: random.Random) -> None:
    """Run couriers, each killed after a random time."""
    couriers: list[tuple[float, BaseProcess]] = []
    for number in range(COURIERS):
        process: Any = context.Process(target=carry, args=(environment, number == 0))
        process.start()
        couriers.append((chance.uniform(0.5, 2), process))
    began = time.monotonic()
    for lives, courier in sorted(couriers, key=lambda one: one[0]):
        await asyncio.sleep(max(0.0, lives - (time.monotonic() - began)))
        courier.kill()
        await asyncio.to_thread(courier.join, 30)


@pytest.mark.timeout(SECONDS + 60)
def test_each_letter_arrives(desk: Path, cases: Cases) -> None:
    chance = random.Random(SEED)

    async def run() -> tuple[Postmaster, int]:
        rounds, deadline = 0, time.monotonic() + SECONDS
        async with smtp_server(Postmaster(), Unreliable) as server:
            url = f"smtp://127.0.0.1:{server.port}"
            environment = make_environment(desk, mail_url=url)
            async with open_resources(settings_from(environment)) as resources:
                people = await write_letters(resources)
                while await time_passes(resources):
                    assert time.monotonic() < deadline, f"{len(server.taken)} letters taken"
                    await until_they_are_dead(environment, chance)
                    rounds += 1
            assert set(server.recipients()) == people
        return server, rounds * COURIERS

    server, killed = asyncio.run(run())
    states = Counter(row[0] for row in in_database(desk, "SELECT state FROM mail_message"))
    assert states == {"sent": LETTERS}
    ids = defaultdict(set)
    for taken in server.taken:
        ids[taken.recipient].add(str(taken.message["Message-ID"]))
    assert {len(one) for one in ids.values()} == {1}
    assert len(set().union(*ids.values())) == LETTERS
    again = len(server.taken) - LETTERS
    # A letter is sent twice only if its courier was killed, or got no OK, between OK and commit.
    assert again <= killed + Unreliable.unsaid
    cases("k", LETTERS)
    print(f"{killed} couriers killed, {Unreliable.unsaid} OKs unsaid, {again} letters sent again")
