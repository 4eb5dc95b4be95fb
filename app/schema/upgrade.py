"""Migration of a database, by Alembic."""

from collections.abc import Callable
from typing import Any

from app.schema.revisions import ROOT


def migrate(
    url: str,
    revision: str = "head",
    *,
    sql: bool = False,
    applied: Callable[[str], None] | None = None,
    waits: Callable[[str], None] | None = None,
) -> None:
    """Migrate the database at `url` up to `revision`, or print the `sql` for it.

    `applied` is called with each revision after it ran, `waits` with the reason for each wait
    (default: it is logged). Raises TimeoutError if other migrators or open transactions leave no
    room for a minute. Runs an event loop of its own: a coroutine cannot call it.
    """
    from alembic import command
    from alembic.config import Config

    listeners: dict[str, Any] = {"applied": applied, "waits": waits}
    given = {name: listener for name, listener in listeners.items() if listener is not None}
    config = Config(attributes={"quiet": True, "database_url": url, **given})
    config.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    command.upgrade(config, revision, sql=sql)
