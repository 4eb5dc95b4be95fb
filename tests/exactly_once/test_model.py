"""j: deliveries, failures, freezes and retries in any order, checked against a model."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from sqlalchemy import select

from app.resources import open_resources
from app.tick.claim import Outcome
from app.tick.context import JobContext
from app.tick.job import Job
from app.tick.runner import Runner
from app.tick.tables import TickCounter, TickRun
from tests.conftest import Cases
from tests.databases import copy_database
from tests.exactly_once.effects import NOON, PERIOD, at, let_time_pass, mark
from tests.service import make_environment, settings_from

EXAMPLES = 25
STEPS = 30
NUMBERS = st.integers(0, 5)


async def fail(turn: JobContext) -> dict[str, Any]:
    await mark(turn)
    raise RuntimeError("no luck")


def marking(run: Callable[[JobContext], Any]) -> Job:
    return Job("mark", PERIOD, run, catch_up="all")


class Sleeper:
    """An owner that sleeps before it starts the work, until it is woken."""

    def __init__(self, runner: Callable[[Job], Runner], number: int) -> None:
        self._awake = asyncio.Event()
        self.asleep = asyncio.Event()
        job = marking(self._sleep_and_mark)
        self.task = asyncio.create_task(runner(job).run(job, at(number), "sleeper"))

    async def _sleep_and_mark(self, turn: JobContext) -> dict[str, Any]:
        self.asleep.set()
        await self._awake.wait()
        return await mark(turn)

    async def wake(self) -> Outcome:
        self._awake.set()
        return await asyncio.wait_for(self.task, 30)


class Guarantee(RuleBasedStateMachine):
    """The model: one number for each occurrence, and no two answers with different ones."""

    make: Callable[[], Path]
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.context = open_resources(settings_from(make_environment(type(self).make())))
        self.resources = self.loop.run(self.context.__aenter__())
        self.sleepers: list[Sleeper] = []
        self.results: dict[int, dict[str, Any] | None] = {}

    def runner(self, job: Job) -> Runner:
        return Runner(self.resources, [job])

    def learn(self, outcome: Outcome) -> None:
        """Check an answer against all earlier ones."""
        number = (int(outcome.occurrence.timestamp()) - NOON) // PERIOD
        known = self.results.get(number)
        if outcome.status == "done":
            assert known is None, "done twice"
            self.results[number] = outcome.result
        if outcome.status in ("done", "replayed"):
            assert outcome.result == {"marks": 1}
        else:
            assert known is None or outcome.status == "running", f"{outcome.status} after done"

    def look(self) -> None:
        """Check that each run recorded as done happened once, and nothing else did."""
        type(self).steps += 1
        happened, done = self.loop.run(self.read())
        assert happened == dict.fromkeys(done, 1)
        assert set(self.results) <= {(occurrence - NOON) // PERIOD for occurrence in done}

    async def read(self) -> tuple[dict[int, int], set[int]]:
        async with self.resources.database.transaction() as session:
            counters = list(await session.scalars(select(TickCounter)))
            runs = list(await session.scalars(select(TickRun).where(TickRun.state == "done")))
        happened = {int(one.name.split()[1]): one.value for one in counters}
        return happened, {run.occurrence for run in runs}

    @rule(number=NUMBERS)
    def deliver(self, number: int) -> None:
        job = marking(mark)
        self.learn(self.loop.run(self.runner(job).run(job, at(number), "test")))
        self.look()

    @rule(number=NUMBERS)
    def deliver_and_fail(self, number: int) -> None:
        job = marking(fail)
        outcome = self.loop.run(self.runner(job).run(job, at(number), "test"))
        assert outcome.status != "done"
        self.learn(outcome)
        self.look()

    @rule(number=NUMBERS)
    def deliver_at_once(self, number: int) -> None:
        job = marking(mark)

        async def deliver() -> list[Outcome]:
            return await asyncio.gather(
                *(self.runner(job).run(job, at(number + n % 2), "test") for n in range(6))
            )

        for outcome in self.loop.run(deliver()):
            # Both can be told the same result: one ran it, the other replays.
            if outcome.status == "done":
                self.learn(outcome)
        self.look()

    @rule(number=NUMBERS)
    def fall_asleep(self, number: int) -> None:
        async def begin() -> Sleeper:
            sleeper = Sleeper(self.runner, number)
            waits = asyncio.create_task(sleeper.asleep.wait())
            await asyncio.wait({waits, sleeper.task}, return_when="FIRST_COMPLETED", timeout=30)
            waits.cancel()
            return sleeper

        sleeper = self.loop.run(begin())
        if sleeper.task.done():
            # There was nothing to do: the answer is true now, and can be outdated later.
            self.learn(sleeper.task.result())
        else:
            self.sleepers.append(sleeper)
        self.look()

    # No precondition: which of two racing owners sleeps is not deterministic.
    @rule(which=st.integers(0, 2))
    def wake_up(self, which: int) -> None:
        if not self.sleepers:
            return
        sleeper = self.sleepers.pop(which % len(self.sleepers))
        self.learn(self.loop.run(sleeper.wake()))
        self.look()

    @rule(number=NUMBERS)
    def oversleep(self, number: int) -> None:
        """The lease expires, and another owner does the work of the sleepers."""
        self.time_passes()
        self.deliver(number)

    @rule()
    def time_passes(self) -> None:
        self.loop.run(let_time_pass(self.runner(marking(mark))))

    @rule(number=NUMBERS, lucky=st.booleans())
    def retry(self, number: int, lucky: bool) -> None:
        runner = self.runner(marking(mark if lucky else fail))
        outcome = self.loop.run(runner.retry("mark", at(number)))
        if outcome.status == "done":
            self.learn(outcome)
        self.look()

    def teardown(self) -> None:
        for sleeper in self.sleepers:
            self.loop.run(sleeper.wake())
        self.look()
        self.loop.run(self.context.__aexit__(None, None, None))
        self.loop.close()


@pytest.mark.timeout(600)
def test_the_guarantee_holds(
    migrated: Path, tmp_path_factory: pytest.TempPathFactory, cases: Cases
) -> None:
    class Machine(Guarantee):
        @staticmethod
        def make() -> Path:
            return copy_database(migrated, tmp_path_factory.mktemp("model"))

    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Machine, settings=chosen)
    assert Machine.steps > EXAMPLES
    cases("j", Machine.steps)
