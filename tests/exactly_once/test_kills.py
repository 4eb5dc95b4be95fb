"""c, d, e: a process is killed, or frozen past its lease, at every point of a run."""

import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import DatabaseUnavailable
from tests.conftest import Cases
from tests.databases import copy_database, in_database
from tests.exactly_once.conftest import Run, with_runner
from tests.exactly_once.effects import at, effects, let_time_pass, states
from tests.exactly_once.worker import Harm, Worker

OCCURRENCES = 20
SEED = 4


def never_seen(folder: Path, run: Run) -> tuple[int, set[int]]:
    """The job's first occurrence. Returns it, and the occurrences that are done by then."""
    return 0, {0}


def next_one(folder: Path, run: Run) -> tuple[int, set[int]]:
    run(folder, at(0))
    return 1, {0, 1}


def after_a_failure(folder: Path, run: Run) -> tuple[int, set[int]]:
    run(folder, at(0))
    in_database(folder, "ALTER TABLE tick_counter RENAME TO elsewhere")
    assert run(folder, at(1)).status == "failed"
    in_database(folder, "ALTER TABLE elsewhere RENAME TO tick_counter")
    with_runner(folder, let_time_pass)
    return 1, {0, 1}


def two_to_make_up_for(folder: Path, run: Run) -> tuple[int, set[int]]:
    run(folder, at(0))
    return 2, {0, 1, 2}


SITUATIONS = [never_seen, next_one, after_a_failure, two_to_make_up_for]


@pytest.fixture(params=SITUATIONS, ids=lambda situation: situation.__name__)
def situation(request: pytest.FixtureRequest) -> Callable[[Path, Run], tuple[int, set[int]]]:
    chosen: Callable[[Path, Run], tuple[int, set[int]]] = request.param
    return chosen


@pytest.fixture
def prepared(
    situation: Callable[[Path, Run], tuple[int, set[int]]],
    desk: Path,
    run: Run,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Callable[[], Path], int, set[int], list[str]]:
    """The situations: the database; the occurrence; the expected result; the points."""
    number, done = situation(desk, run)

    def make() -> Path:
        return copy_database(desk, tmp_path_factory.mktemp("at"))

    unharmed = Worker(make(), at(number))
    assert unharmed.wait() == 0
    assert unharmed.points.count("COMMIT") >= 3
    return make, number, done, unharmed.points


def deliver_the_rest(folder: Path, run: Run, number: int) -> None:
    """Deliver the interrupted occurrence again, as a scheduler does, then once more."""
    with_runner(folder, let_time_pass)
    assert run(folder, at(number)).status in ("done", "replayed")
    assert run(folder, at(number)).status == "replayed"


@pytest.mark.timeout(300)
def test_killed_after_each_point(
    prepared: tuple[Callable[[], Path], int, set[int], list[str]], run: Run, cases: Cases
) -> None:
    make, number, done, points = prepared
    for n in range(1, len(points) + 1):
        folder = make()
        worker = Worker(folder, at(number), Harm(n))
        assert worker.wait() == -signal.SIGKILL
        before = effects(folder)
        assert set(before.values()) <= {1}, points[n - 1]
        # Every run recorded as done has its effect, and no other effect exists.
        assert {key for key, state in states(folder).items() if state == "done"} == set(before)
        deliver_the_rest(folder, run, number)
        assert effects(folder) == dict.fromkeys(done, 1), points[n - 1]
    cases("c", len(points))


@pytest.mark.timeout(300)
def test_frozen_after_each_point_and_thawed_past_the_lease(
    prepared: tuple[Callable[[], Path], int, set[int], list[str]],
    run: Run,
    cases: Cases,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process frozen with locked rows blocks the others until it thaws: nothing runs twice."""
    for limit in ("LOCK_SECONDS", "QUEUE_SECONDS"):
        monkeypatch.setattr(f"app.database.limits.{limit}", 1)
    make, number, done, points = prepared
    refusals: list[str] = []
    for n in range(1, len(points) + 1):
        folder = make()
        worker = Worker(folder, at(number), Harm(n, signal.SIGSTOP))
        worker.wait_until_frozen()
        try:
            with_runner(folder, let_time_pass)
            run(folder, at(number))
        except DatabaseUnavailable as error:
            refusals.append(str(error).lower())
        worker.thaw()
        worker.wait()
        deliver_the_rest(folder, run, number)
        assert effects(folder) == dict.fromkeys(done, 1), points[n - 1]
    assert all("lock" in refusal for refusal in refusals), refusals
    cases("d", len(points))


@pytest.mark.timeout(300)
def test_three_at_a_time_killed_at_random(desk: Path, run: Run, cases: Cases) -> None:
    chance = random.Random(SEED)
    killed = 0
    for number in range(OCCURRENCES):
        workers = [Worker(desk, at(number), Harm(chance.randint(1, 30))) for _ in range(3)]
        killed += sum(worker.wait() == -signal.SIGKILL for worker in workers)
        deliver_the_rest(desk, run, number)
    assert killed > OCCURRENCES
    assert effects(desk) == dict.fromkeys(range(OCCURRENCES), 1)
    cases("e", killed)
