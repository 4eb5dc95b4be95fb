"""Periodic jobs, their runs, and what they count."""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = (
    sa.String(64)
    .with_variant(
        mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin"),
        "mysql",
        "mariadb",
    )
    .with_variant(sa.String(64, collation="C"), "postgresql")
)
MOMENT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

BINARY = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def _create_index(name: str, table: str, columns: list[str]) -> None:
    """Create an index unless an earlier try, killed before it could be recorded, has made it."""
    made = [] if context.is_offline_mode() else sa.inspect(op.get_bind()).get_indexes(table)
    if all(index["name"] != name for index in made):
        op.create_index(name, table, columns)


def upgrade() -> None:
    op.create_table(
        "tick_job",
        sa.Column("name", KEY, nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(64), nullable=True),
        sa.Column("occurrence", sa.BigInteger(), nullable=False),
        sa.Column("done_through", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tick_job")),
        if_not_exists=True,
        **BINARY,
    )
    op.create_table(
        "tick_run",
        sa.Column("name", KEY, nullable=False),
        sa.Column("occurrence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("trigger", sa.String(16), nullable=False),
        sa.Column("claimed_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('running', 'done', 'failed', 'dead')",
            name=op.f("ck_tick_run_state_known"),
        ),
        sa.PrimaryKeyConstraint("name", "occurrence", name=op.f("pk_tick_run")),
        if_not_exists=True,
        **BINARY,
    )
    _create_index("ix_tick_run_claimed_at", "tick_run", ["claimed_at"])
    op.create_table(
        "tick_counter",
        sa.Column("name", KEY, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tick_counter")),
        if_not_exists=True,
        **BINARY,
    )


def downgrade() -> None:
    for table in ("tick_counter", "tick_run", "tick_job"):
        op.drop_table(table, if_exists=True)
