"""Accounts: one for each address, however it is spelled."""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.Uuid().with_variant(sa.Uuid(native_uuid=False), "sqlite", "mysql", "mariadb")
KEY = (
    sa.String(320)
    .with_variant(
        mysql.VARCHAR(320, charset="utf8mb4", collation="utf8mb4_bin"),
        "mysql",
        "mariadb",
    )
    .with_variant(sa.String(320, collation="C"), "postgresql")
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
        "user_account",
        sa.Column("id", ID, nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("email_key", KEY, nullable=False),
        sa.Column("hashed_password", sa.String(255), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("is_superuser", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_verified", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("email_key <> ''", name=op.f("ck_user_account_email_key_not_empty")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("email_key", name=op.f("uq_user_account_email_key")),
        if_not_exists=True,
        **BINARY,
    )
    _create_index("ix_user_account_is_superuser", "user_account", ["is_superuser"])


def downgrade() -> None:
    op.drop_table("user_account", if_exists=True)
