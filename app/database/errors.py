"""Driver errors, translated where they are raised.

TransactionConflict   the transaction lost against a concurrent one and was rolled back; retry it
DatabaseUnavailable   the server is unreachable, overloaded, read-only or not at the required
                      revision
ConstraintViolated    a named constraint; the feature that owns the table maps it to its own error
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from app.database import read_only
from app.database.constraints import constraint_name, is_violation
from app.errors import DatabaseUnavailable

# SQLSTATEs of PostgreSQL; error numbers of MySQL and MariaDB. A lock wait timeout (1205) is not
# here: the blocking transaction has already run for seconds, and a retry would wait again.
_CONFLICTS = frozenset(
    {
        "40001",  # could not serialize access
        "40P01",  # deadlock
        "0A000",  # a migration changed the columns of a prepared statement
        1213,  # deadlock
        1305,  # the savepoint is gone: a deadlock rolled the whole transaction back
        1020,  # MariaDB: the record has changed since it was read
    }
)
# SQLSTATE classes of data and constraint errors, which a retry repeats.
_INVALID_STATEMENT = ("22", "23")


class TransactionConflict(Exception):
    """The transaction lost against a concurrent one and was rolled back; retry it."""


class ConstraintViolated(Exception):
    """A statement broke `constraint`, the name in the schema; None where the server names none.

    A bug unless the feature that owns the table translates it.
    """

    def __init__(self, constraint: str | None) -> None:
        super().__init__(f"constraint violated: {constraint or 'unknown'}")
        self.constraint = constraint


def translate_driver_errors(engine: Engine) -> None:
    """Make each statement of `engine` raise the errors above for its driver's.

    OSError and TimeoutError are translated if the driver raised them; elsewhere they are bugs.
    """

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> Exception | None:
        error = context.original_exception
        wrapped = context.sqlalchemy_exception
        if isinstance(wrapped, IntegrityError) or is_violation(error):
            return ConstraintViolated(constraint_name(error, context.statement))
        codes = error_codes(error)
        if codes & _CONFLICTS:
            return TransactionConflict(_summary(error))
        if codes & read_only.REFUSALS:
            # The pool replaces all its connections: the new ones find the new primary.
            context.is_disconnect = True
            return DatabaseUnavailable(_summary(error))
        if isinstance(wrapped, DataError) or _sqlstate(error).startswith(_INVALID_STATEMENT):
            return None
        if isinstance(wrapped, DBAPIError) or _is_of_driver(error):
            return DatabaseUnavailable(_summary(error))
        return None


@contextmanager
def translate_connect_errors() -> Iterator[None]:
    """Raise DatabaseUnavailable if a driver cannot connect."""
    try:
        yield
    except Exception as error:
        if not _is_of_driver(error):
            raise
        raise DatabaseUnavailable(_summary(error)) from error


def error_codes(error: BaseException) -> frozenset[object]:
    """Return the SQLSTATE of a driver's error and, of MySQL's and MariaDB's, its number."""
    return frozenset({_sqlstate(error), next(iter(error.args), None)})


def _sqlstate(error: BaseException) -> str:
    return getattr(error, "sqlstate", None) or ""


def _is_of_driver(error: BaseException) -> bool:
    # asyncpg's own errors pass SQLAlchemy unwrapped while it connects; sqlite3's while BEGIN waits.
    module = type(error).__module__
    return isinstance(error, OSError) or module.startswith(
        ("asyncpg.", "sqlite3", "aiomysql", "pymysql")
    )


def _summary(error: BaseException) -> str:
    """Return one line that names the error, without the statement."""
    first = next(iter(str(error).splitlines()), "")
    return re.sub(r"\s+", " ", f"{type(error).__name__}: {first}")


@contextmanager
def raise_for_constraint(errors: Mapping[str, type[Exception]]) -> Iterator[None]:
    """Raise the error that `errors` has for the name of a violated constraint.

    ConstraintViolated goes on for a name that is not in it: that is a bug.
    """
    try:
        yield
    except ConstraintViolated as violated:
        error = errors.get(violated.constraint or "")
        if error is None:
            raise
        raise error from violated
