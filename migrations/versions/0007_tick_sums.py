"""How often what happened to a job, and an index of its runs by what became of them."""

import sqlalchemy as sa
from alembic import context, op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

blocks = "tick_job has a row for each job, tick_run those of a week: tens of thousands"

SUMS = ("done", "failed", "dead", "lost", "replayed", "worked_ms")
INDEX = "ix_tick_run_name_state"


def _not_yet(things: str, table: str, name: str) -> bool:
    return context.is_offline_mode() or name not in _names(things, table)


def _still(things: str, table: str, name: str) -> bool:
    return context.is_offline_mode() or name in _names(things, table)


def _names(things: str, table: str) -> set[str]:
    return {thing["name"] for thing in getattr(sa.inspect(op.get_bind()), f"get_{things}")(table)}


def upgrade() -> None:
    for name in SUMS:
        if _not_yet("columns", "tick_job", name):
            zero = sa.text("0")
            op.add_column(
                "tick_job", sa.Column(name, sa.BigInteger(), server_default=zero, nullable=False)
            )
    if _not_yet("indexes", "tick_run", INDEX):
        op.create_index(INDEX, "tick_run", ["name", "state"])


def downgrade() -> None:
    if _still("indexes", "tick_run", INDEX):
        op.drop_index(INDEX, table_name="tick_run")
    for name in SUMS:
        if _still("columns", "tick_job", name):
            op.drop_column("tick_job", name)
