"""Logins: a row each, gone with the account."""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
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
        "user_session",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_account.id"],
            name=op.f("fk_user_session_user_id_user_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_session")),
        if_not_exists=True,
        **BINARY,
    )
    _create_index("ix_user_session_user_id", "user_session", ["user_id"])
    _create_index("ix_user_session_expires_at", "user_session", ["expires_at"])


def downgrade() -> None:
    op.drop_table("user_session", if_exists=True)
