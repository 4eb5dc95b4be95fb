"""Tries of a job since its last success, whichever occurrence they were for."""

import sqlalchemy as sa
from alembic import context, op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

blocks = "tick_job has one row for each job of the application: a handful"

# What the occurrence at hand has had so far; the same however often it is said.
COUNT_TRIES = """
UPDATE tick_job SET attempts = (
    SELECT tick_run.attempts FROM tick_run
    WHERE tick_run.name = tick_job.name AND tick_run.occurrence = tick_job.occurrence
) WHERE EXISTS (
    SELECT 1 FROM tick_run
    WHERE tick_run.name = tick_job.name AND tick_run.occurrence = tick_job.occurrence
    AND tick_run.state IN ('running', 'failed')
)
"""


def _has_column(table: str, name: str) -> bool:
    if context.is_offline_mode():
        return False
    return any(column["name"] == name for column in sa.inspect(op.get_bind()).get_columns(table))


def upgrade() -> None:
    if not _has_column("tick_job", "attempts"):
        attempts = sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False)
        op.add_column("tick_job", attempts)
    op.execute(COUNT_TRIES)


def downgrade() -> None:
    if context.is_offline_mode() or _has_column("tick_job", "attempts"):
        op.drop_column("tick_job", "attempts")
