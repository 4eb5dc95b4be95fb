"""A flag of an account is true or false, where the database would take any number."""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

blocks = "SQLite and MySQL copy the table to add a CHECK; who writes an account waits meanwhile"

FLAGS = ("is_active", "is_superuser", "is_verified")
NAME = "ck_user_account_flags_are_flags"
CHECK = " AND ".join(f"{flag} IN (0, 1)" for flag in FLAGS)

ID = sa.Uuid().with_variant(sa.Uuid(native_uuid=False), "sqlite", "mysql", "mariadb")
MOMENT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def _before() -> sa.Table:
    """Return the table as the revisions before this one made it, for SQLite to rebuild."""
    return sa.Table(
        "user_account",
        sa.MetaData(),
        sa.Column("id", ID, nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("email_key", sa.String(320), nullable=False),
        sa.Column("hashed_password", sa.String(255), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("is_superuser", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_verified", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("email_key <> ''", name="ck_user_account_email_key_not_empty"),
        sa.PrimaryKeyConstraint("id", name="pk_user_account"),
        sa.UniqueConstraint("email_key", name="uq_user_account_email_key"),
        sa.Index("ix_user_account_is_superuser", "is_superuser"),
    )


def _has_check() -> bool:
    checks = sa.inspect(op.get_bind()).get_check_constraints("user_account")
    return any(check["name"] == NAME for check in checks)


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        return  # its booleans are nothing else
    for flag in FLAGS:
        column = sa.column(flag, sa.Integer)
        op.execute(
            sa.table("user_account", column).update().where(~column.in_([0, 1])).values({flag: 1})
        )
    if context.is_offline_mode() or not _has_check():
        with op.batch_alter_table("user_account", copy_from=_before()) as table:
            table.create_check_constraint(op.f(NAME), CHECK)


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        return
    if context.is_offline_mode() or _has_check():
        after = _before()
        after.append_constraint(sa.CheckConstraint(CHECK, name=NAME))
        with op.batch_alter_table("user_account", copy_from=after) as table:
            table.drop_constraint(op.f(NAME), type_="check")
