"""The tables of periodic jobs and of their runs."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, MappedColumn, mapped_column

from app.database.base import Base
from app.database.types import key_type


def _sum() -> MappedColumn[int]:
    return mapped_column(BigInteger, default=0, server_default=text("0"))


class TickJob(Base):
    """A job and its present owner. Occurrences are Unix seconds; times are the database's clock.

    `fence` grows with every claim: an owner that finds another number has lost the job. After a
    failure there is no owner, and `lease_until` is the time of the next try; `attempts` are the
    tries since the last success. `done` to `replayed` count outcomes; `worked_ms` sums the
    milliseconds of all tries.
    """

    __tablename__ = "tick_job"

    name: Mapped[str] = mapped_column(key_type(64), primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    owner: Mapped[str | None] = mapped_column(String(64))
    occurrence: Mapped[int] = mapped_column(BigInteger)
    done_through: Mapped[int] = mapped_column(BigInteger)
    lease_until: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    done: Mapped[int] = _sum()
    failed: Mapped[int] = _sum()
    dead: Mapped[int] = _sum()
    lost: Mapped[int] = _sum()
    replayed: Mapped[int] = _sum()
    worked_ms: Mapped[int] = _sum()


PRIMARY_KEY = "pk_tick_job"


class TickRun(Base):
    """One occurrence of a job and its outcome."""

    __tablename__ = "tick_run"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'done', 'failed', 'dead')", name="state_known"),
        Index(None, "name", "state"),
        Base.__table_args__,
    )

    name: Mapped[str] = mapped_column(key_type(64), primary_key=True)
    occurrence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    fence: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    trigger: Mapped[str] = mapped_column(String(16))
    claimed_at: Mapped[datetime] = mapped_column(index=True)
    finished_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[str | None] = mapped_column(Text)


class TickCounter(Base):
    """Counters of jobs."""

    __tablename__ = "tick_counter"

    name: Mapped[str] = mapped_column(key_type(64), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)
