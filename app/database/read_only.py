"""Servers that take no writes: a standby, a demoted primary, one under maintenance.

A pooled connection to one of them stays usable, and would be used for as long as it is open.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# SQLSTATEs of PostgreSQL; error numbers of MySQL and MariaDB.
REFUSALS = frozenset(
    {
        "25006",  # read_only_sql_transaction
        1047,  # a node of a Galera cluster that is no part of it now: it takes no reads either
        1290,  # read_only, super_read_only
        1792,  # transaction_read_only
        1836,  # innodb_read_only, as on a reader of Aurora's
    }
)
_ON_POSTGRESQL = text("SELECT 1 WHERE current_setting('transaction_read_only') = 'on'")
_ON_MYSQL = text(
    "SHOW VARIABLES WHERE Value NOT IN ('OFF', '0') AND Variable_name IN "
    "('read_only', 'innodb_read_only', 'transaction_read_only', 'tx_read_only')"
)
_QUESTIONS = {"postgresql": _ON_POSTGRESQL, "mysql": _ON_MYSQL, "mariadb": _ON_MYSQL}


async def is_read_only(session: AsyncSession) -> bool:
    """Return whether the server of `session` takes no writes; False for a file's.

    MySQL and MariaDB let privileged users write nevertheless. Raises DatabaseUnavailable.
    """
    question = _QUESTIONS.get(session.get_bind().dialect.name)
    return question is not None and (await session.execute(question)).first() is not None
