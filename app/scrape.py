"""`GET /metrics`: the metrics of this server and of its database, for Prometheus."""

import asyncio
import platform
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from fastapi import APIRouter, Request, Response

from app import __version__
from app.crypto.passwords import MAX_WAITING
from app.database.engine import Database
from app.http.answers import NO_TOKEN_SET, WRONG_TOKEN
from app.mail.outbox import Backlog, read_backlog
from app.metrics.recorder import Recorder
from app.tick import runs
from app.tick.runner import Runner
from app.tick.runs import JobStatus

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

log = structlog.get_logger()

# Prometheus waits for ten.
DATABASE_SECONDS = 5
_SAMPLE_SECONDS = 1
_TEXT = {"schema": {"type": "string"}}

router = APIRouter(tags=["tick"])


@dataclass(frozen=True)
class Shared:
    """The state of jobs and mail, which all servers on one database share."""

    jobs: list[JobStatus]
    backlog: Backlog


class Scrape:
    """Collects the metrics of a scrape.

    `database`: one whose connection no request uses, since metrics are needed most by an operator
    of a server that is full. Scrapes that come while one is asking it share its answer.
    """

    def __init__(self, recorder: Recorder, runner: Runner, database: Database) -> None:
        self._recorder = recorder
        self._runner = runner
        self._resources = runner.resources
        self._database = database
        self._asking: asyncio.Task[Shared | None] | None = None

    async def collect(self) -> Iterable["Metric"]:
        """Return every family; the database's only if it answers in DATABASE_SECONDS."""
        shared = await self.read_shared()
        self.sample()
        return self._families(shared)

    async def read_shared(self) -> Shared | None:
        """Return jobs and mail; None if the database does not answer in DATABASE_SECONDS."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        # The question goes on: to cancel it could take as long, if the server is frozen.
        await asyncio.wait({self._asking}, timeout=DATABASE_SECONDS)
        return self._asking.result() if self._asking.done() else None

    async def _ask(self) -> Shared | None:
        try:
            async with self._database.transaction() as session:
                jobs = await runs.statuses(session, self._runner)
                return Shared(jobs, await read_backlog(session))
        except Exception as error:
            # Of any kind: the metrics of the process can still be read.
            log.error("metrics of the database not read", error=f"{type(error).__name__}: {error}")
            return None

    def sample(self) -> None:
        """Note how many connections and hashes are in use in this process."""
        database, settings = self._resources.database, self._resources.settings
        self._recorder.set_connections(database.connections_in_use, settings.database_connections)
        self._recorder.set_hashes(self._resources.passwords.pending, MAX_WAITING)

    def _families(self, shared: Shared | None) -> Iterator["Metric"]:
        from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily

        from app.mail.metrics import outbox_families
        from app.tick.metrics import job_families

        yield InfoMetricFamily(
            "keystead_build",
            "The release that answers, its Python and its database",
            value={
                "version": __version__,
                "python": platform.python_version(),
                "database": self._resources.database.engine.name,
            },
        )
        yield GaugeMetricFamily(
            "keystead_database_up",
            "1 if the database answered this scrape; without it, what it knows is left out",
            value=shared is not None,
        )
        yield from self._recorder.collect()
        if shared is not None:
            yield from job_families(shared.jobs)
            yield from outbox_families(shared.backlog)


@asynccontextmanager
async def sampled(scrape: Scrape) -> AsyncIterator[None]:
    """Sample this process each second in the block, for the worker that is scraped."""

    async def sample() -> None:
        while True:
            scrape.sample()
            await asyncio.sleep(_SAMPLE_SECONDS)

    task = asyncio.create_task(sample())
    try:
        yield
    finally:
        task.cancel()


@router.get(
    "/metrics",
    name="tick:metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        # In this order: generators take the first.
        200: {"content": {"text/plain": _TEXT, "application/openmetrics-text": _TEXT}},
        401: WRONG_TOKEN,
        404: NO_TOKEN_SET,
    },
)
async def get_metrics(request: Request) -> Response:
    """Requests, log-ins, connections and hashes of this server; jobs and mail of its database.

    In Prometheus' text format, or as OpenMetrics if the header Accept names it.
    """
    scrape: Scrape = request.state.scrape
    families = await scrape.collect()
    accept = request.headers.get("accept", "")
    body, kind = await asyncio.to_thread(_write, families, accept)
    return Response(body, media_type=kind)


def _write(families: Iterable["Metric"], accept: str) -> tuple[bytes, str]:
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import Collector

    class Families(Collector):
        def collect(self) -> Iterable["Metric"]:
            return families

    encode, kind = choose_encoder(accept)
    return encode(Families()), kind
