"""The outbox."""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.Uuid().with_variant(sa.Uuid(native_uuid=False), "sqlite", "mysql", "mariadb")
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
        "mail_message",
        sa.Column("id", ID, nullable=False),
        sa.Column("letter", sa.String(32), nullable=False),
        sa.Column("address", sa.String(320), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'sent', 'dropped', 'dead')",
            name=op.f("ck_mail_message_state_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_message")),
        if_not_exists=True,
        **BINARY,
    )
    _create_index("ix_mail_message_state_due_at", "mail_message", ["state", "due_at"])
    _create_index("ix_mail_message_finished_at", "mail_message", ["finished_at"])


def downgrade() -> None:
    op.drop_table("mail_message", if_exists=True)
