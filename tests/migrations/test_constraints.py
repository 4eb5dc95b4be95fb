"""f: every constraint is violated once, and refuses; valid values are stored unchanged."""

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    select,
)
from sqlalchemy.exc import DBAPIError, StatementError

from app.database.base import Base
from app.database.engine import Database
from app.database.errors import ConstraintViolated
from app.models import metadata
from app.schema.revisions import head
from tests.conftest import Cases
from tests.databases import server
from tests.migrations.history import REVISIONS, insert_into, rows_of
from tests.migrations.rows import id_, moment
from tests.service import make_environment, settings_from

# A value that each CHECK refuses.
BAD: dict[str, dict[str, Any]] = {
    "ck_user_account_email_key_not_empty": {"email_key": ""},
    "ck_user_account_flags_are_flags": {"is_active": 2},
    "ck_mail_message_state_known": {"state": "lost"},
    "ck_tick_run_state_known": {"state": "Done"},
}
numbers = count(1)


def example(table: Table) -> dict[str, Any]:
    """Return a valid row with an unused key."""
    rows = (row for revision in REVISIONS for row in rows_of(revision).ROWS.get(table.name, ()))
    return fresh(table, dict(next(rows)))


def keys_of(table: Table) -> list[PrimaryKeyConstraint | UniqueConstraint]:
    kinds = (PrimaryKeyConstraint, UniqueConstraint)
    return [key for key in table.constraints if isinstance(key, kinds)]


def fresh(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    keys = {column.name for key in keys_of(table) for column in key.columns}
    for name in keys - {key.parent.name for key in table.foreign_keys}:
        number = next(numbers)
        kinds = {UUID: id_(900 + number), str: f"key {number}", int: number}
        row[name] = kinds[type(row[name])]
    return row


def provocations(table: Table) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield, for each constraint, its name and rows of which the last must be refused."""
    for column in table.columns:
        if not column.nullable:
            yield f"{table}.{column.name} not null", [example(table) | {column.name: None}]
    for constraint in table.constraints:
        name = str(constraint.name)
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            first = example(table)
            same = {column.name: first[column.name] for column in constraint.columns}
            yield name, [first, example(table) | same]
        elif isinstance(constraint, ForeignKeyConstraint):
            orphan: dict[str, Any] = dict.fromkeys(constraint.column_keys, id_(10**6))
            yield name, [example(table) | orphan]
        elif isinstance(constraint, CheckConstraint):
            yield name, [example(table) | BAD[name]]


@pytest.fixture(scope="module")
def database_url(templates: dict[str, Path]) -> str:
    return settings_from(make_environment(templates[head()])).database_url


def attempt(url: str, table: Table, rows: list[dict[str, Any]]) -> str | None:
    """Insert `rows`, roll back, and return the constraint that refused the last; None for none."""

    async def run() -> str | None:
        async with Database(url) as database, database.engine.connect() as connection:
            for row in rows[:-1]:
                await connection.execute(insert_into(table.name, row))
            try:
                await connection.execute(insert_into(table.name, rows[-1]))
            except ConstraintViolated as error:
                return error.constraint or "unnamed"
            except DBAPIError as error:
                return str(error.orig)
            return None

    return asyncio.run(run())


def test_every_constraint_refuses(database_url: str, cases: Cases) -> None:
    tried = 0
    for table in metadata.sorted_tables:
        assert attempt(database_url, table, [example(table)]) is None
        for name, rows in provocations(table):
            if name == "ck_user_account_flags_are_flags" and server().name == "postgres":
                continue  # the type refuses before a statement is sent: see MISSING in test_drift
            refused = attempt(database_url, table, rows)
            assert refused is not None, f"{name} does not refuse"
            # SQLite names no foreign key.
            if "not null" not in name and not (name.startswith("fk_") and refused == "unnamed"):
                assert refused == name
            assert refused != "unnamed" or server().name == "sqlite" or "not null" in name
            tried += 1
    cases("f", tried)


def test_a_value_that_is_too_long(database_url: str, cases: Cases) -> None:
    """SQLite stores it: the application limits lengths."""
    accounts = metadata.tables["user_account"]
    long = example(accounts) | {"email": "x" * 321}
    refused = attempt(database_url, accounts, [long]) is not None
    assert refused == (server().name != "sqlite")
    cases("f", 1)


VARIANTS = ["key", "KEY", "kéy", "ke\u0301y", "keß", "kess", "ｋey", "🗝", "🔑", "kеy"]


# MySQL and MariaDB ignore the trailing blank (utf8mb4_bin pads); no key of ours ends with one.
PADDED = "key "


def test_keys_distinguish_different_strings(database_url: str, cases: Cases) -> None:
    """No two of these are equal, neither to a unique key nor to a look-up."""
    tried = 0
    variants = VARIANTS if server().name in ("mysql", "mariadb") else [*VARIANTS, PADDED]
    for table in metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, String) and any(
                column.name in key.columns for key in keys_of(table)
            ):
                rows = [example(table) | {column.name: variant} for variant in variants]
                assert attempt(database_url, table, rows) is None, f"{table}.{column.name}"
                assert asyncio.run(found(database_url, table.name, column.name, rows)) == [1] * len(
                    rows
                )
                tried += len(rows)
    cases("f", tried)


async def found(url: str, table: str, column: str, rows: list[dict[str, Any]]) -> list[int]:
    """Return the number of rows that a look-up finds for each value."""
    async with Database(url) as database, database.engine.connect() as connection:
        for row in rows:
            await connection.execute(insert_into(table, row))
        looked = sa.table(table, sa.column(column))
        numbers = []
        for row in rows:
            where = looked.c[column] == row[column]
            count_ = select(sa.func.count()).select_from(looked).where(where)
            numbers.append((await connection.execute(count_)).scalar_one())
        return numbers


def test_a_time_without_an_offset_is_refused(database_url: str, cases: Cases) -> None:
    accounts = metadata.tables["user_account"]
    naive = example(accounts) | {"created_at": moment(2026).replace(tzinfo=None)}
    with pytest.raises(StatementError, match="a time needs an offset"):
        attempt(database_url, accounts, [naive])
    cases("f", 1)


def test_rows_are_what_the_application_wrote(templates: dict[str, Path], cases: Cases) -> None:
    """Each row of each revision, at head, through the models, to the microsecond."""
    settings = settings_from(make_environment(templates[head()]))

    async def read() -> int:
        read = 0
        models = {str(mapper.local_table): mapper for mapper in Base.registry.mappers}
        async with Database(settings.database_url) as database, database.transaction() as session:
            for revision in REVISIONS:
                for name, rows in rows_of(revision).ROWS.items():
                    model = models[name]
                    for row in rows:
                        key = [row[column.name] for column in model.primary_key]
                        stored = await session.get_one(model.class_, tuple(key))
                        assert {column: getattr(stored, column) for column in row} == row
                        read += 1
        return read

    cases("b", asyncio.run(read()))
