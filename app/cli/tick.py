"""`keystead tick`: run jobs by hand, and show their runs."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from app.cli.console import Failure, Result, out, plain, say, with_resources
from app.errors import TickBadTime, UnknownJob
from app.jobs import JOBS
from app.resources import Resources
from app.tick import runs
from app.tick.claim import Outcome
from app.tick.runner import Runner

ticks = typer.Typer(help="Run the jobs that are due, or show their runs.")


@ticks.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    job: Annotated[str | None, typer.Option(help="Only this job.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="ISO-TIME", help="The time to run at, with an offset.")
    ] = None,
) -> None:
    """Run the jobs that are due, each occurrence once, or show their runs."""
    if context.invoked_subcommand is not None:
        if job or at:
            raise typer.BadParameter("--job and --at are for `tick` without a command")
        return
    at_time = _parse_time(at) if at else None
    try:
        outcomes = _with_runner(lambda runner: runner.tick("command", at_time, job))
    except TickBadTime:
        raise Failure("--at is before 1970, or further ahead than the next occurrence") from None
    _show_outcomes(outcomes)
    if any(outcome.status == "failed" for outcome in outcomes):
        raise Failure("a job failed; it is tried again at the next tick")


@ticks.command()
def status() -> None:
    """Show each job's last run, lag and next run."""

    async def read(runner: Runner) -> list[runs.JobStatus]:
        async with runner.resources.database.transaction() as session:
            return await runs.statuses(session, runner)

    table = Table("Job", "State", "Last run", "Took", "Lag", "Attempts", "Next", "Dead")
    for job in _with_runner(read):
        last = job.last
        table.add_row(
            job.job,
            _state(job),
            f"{_time(last.scheduled_at)} {last.state}" if last else "–",
            _seconds(last.seconds) if last else "–",
            _seconds(job.lag),
            str(job.attempts),
            _time(job.next),
            f"[red]{job.dead}[/]" if job.dead else "0",
        )
    out.print(table)


@ticks.command()
def history(
    job: str,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="The most runs to show.")] = 20,
    dead: Annotated[
        bool, typer.Option("--dead", help="Only occurrences that were given up.")
    ] = False,
) -> None:
    """Show the runs of a job, the newest first."""

    async def read(runner: Runner) -> list[runs.Run]:
        if job not in runner.jobs:
            raise UnknownJob
        async with runner.resources.database.transaction() as session:
            return await runs.history(session, job, limit=limit, dead=dead)

    table = Table("Occurrence", "State", "Attempts", "Trigger", "Claimed", "Took", "Result")
    for one in _with_runner(read):
        table.add_row(
            _time(one.scheduled_at),
            f"[red]{one.state}[/]" if one.state in ("dead", "failed") else one.state,
            str(one.attempts),
            one.trigger,
            _time(one.claimed_at),
            _seconds(one.seconds),
            _result_text(one),
        )
    out.print(table)


@ticks.command()
def retry(
    job: str,
    occurrence: Annotated[str, typer.Argument(metavar="OCCURRENCE", help="As history prints it.")],
) -> None:
    """Retry an occurrence that failed or was given up."""
    at = _parse_time(occurrence)
    outcome = _with_runner(lambda runner: runner.retry(job, at))
    _show_outcomes([outcome])
    if outcome.status == "superseded":
        raise Failure(f"{job} never began {occurrence}: see `keystead tick history {job}`")
    if outcome.status == "running":
        raise Failure(f"{job} is running; try again when it has ended")
    if outcome.status == "failed":
        raise Failure("it failed again; nothing tries it any more but you")


@ticks.command()
def reset(
    job: Annotated[str | None, typer.Argument(help="Only this job.", show_default="all")] = None,
) -> None:
    """Let jobs that a clock ran ahead continue at the present: they are done through the future.

    Only when the clock is right now: an occurrence that was done stays done.
    """

    async def run(runner: Runner) -> dict[str, datetime]:
        names = [job] if job is not None else list(runner.jobs)
        found = {name: await runner.reset(name) for name in names}
        return {name: done for name, done in found.items() if done is not None}

    done = _with_runner(run)
    for name, through in done.items():
        say(f"{name}: was done through {_time(through)}, continues now")
    if not done:
        say("no job is ahead")


def _with_runner(work: Callable[[Runner], Awaitable[Result]]) -> Result:
    async def run(resources: Resources) -> Result:
        return await work(Runner(resources, JOBS))

    try:
        return with_resources(run)
    except UnknownJob:
        names = ", ".join(job.name for job in JOBS)
        raise Failure(f"no such job; there are {names}") from None


def _show_outcomes(outcomes: list[Outcome]) -> None:
    table = Table("Job", "Occurrence", "Status", "Result")
    for outcome in outcomes:
        table.add_row(outcome.job, _time(outcome.occurrence), outcome.status, _result_text(outcome))
    out.print(table)


def _state(job: runs.JobStatus) -> str:
    if job.late:
        return f"[red]{job.state}, late[/]"
    return f"[red]{job.state}[/]" if job.state == "ahead" else job.state


def _result_text(one: Outcome | runs.Run) -> str:
    result = one.result if one.error is None else one.error
    return "" if result is None else plain(str(result))


def _parse_time(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("not an ISO 8601 time, such as 2026-01-31T12:00:00Z") from None
    if parsed.tzinfo is None:
        raise typer.BadParameter(f"give an offset, such as Z: {parsed.isoformat()}Z")
    return parsed


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.3f} s" if seconds < 10 else f"{seconds:.0f} s"
