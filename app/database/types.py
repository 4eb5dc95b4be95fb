"""Column types and SQL functions that mean the same on all four databases."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, String, TypeDecorator, Uuid
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement


class UTCDateTime(TypeDecorator[datetime]):
    """A time in UTC with microseconds. Raises ValueError for a naive one: its offset is unknown."""

    # TIMESTAMP on MySQL and MariaDB has no fractions and ends in 2038.
    impl = DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time needs an offset from UTC: {value!r}")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Native on PostgreSQL alone: MariaDB's own type sorts in an order of its own.
Id = Uuid().with_variant(Uuid(native_uuid=False), "sqlite", "mysql", "mariadb")


def key_type(length: int) -> String:
    """Return a string type of `length` characters that compares and sorts by code point."""
    binary = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return (
        String(length)
        .with_variant(binary, "mysql", "mariadb")
        .with_variant(String(length, collation="C"), "postgresql")
    )


class utcnow(FunctionElement[datetime]):  # noqa: N801, SQL functions are lower case
    """The database's clock now (not at the transaction's start), as a UTCDateTime."""

    type = UTCDateTime()
    inherit_cache = True


@compiles(utcnow, "sqlite")
def _sqlite_now(element: utcnow, compiler: SQLCompiler, **options: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


@compiles(utcnow, "postgresql")
def _postgresql_now(element: utcnow, compiler: SQLCompiler, **options: Any) -> str:
    return "clock_timestamp()"


@compiles(utcnow, "mysql")
@compiles(utcnow, "mariadb")
def _mysql_now(element: utcnow, compiler: SQLCompiler, **options: Any) -> str:
    return "UTC_TIMESTAMP(6)"
