"""Sessions that are refreshed and seen, with where they were opened; audit events."""

import sqlalchemy as sa
from alembic import op

from migrations import ops

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ADDED = ("transport", "refresh_counter", "refreshed_at", "last_seen_at", "ip", "user_agent")


def upgrade() -> None:
    session = "user_session"
    zero = sa.text("0")
    ops.add_column(
        session, sa.Column("transport", sa.String(16), server_default="bearer", nullable=False)
    )
    ops.add_column(
        session, sa.Column("refresh_counter", sa.Integer(), server_default=zero, nullable=False)
    )
    ops.add_column(session, sa.Column("refreshed_at", ops.UTC_DATETIME, nullable=True))
    ops.add_column(session, sa.Column("last_seen_at", ops.UTC_DATETIME, nullable=True))
    ops.add_column(session, sa.Column("ip", sa.String(45), nullable=True))
    ops.add_column(session, sa.Column("user_agent", sa.String(512), nullable=True))
    ops.create_table(
        "audit_event",
        sa.Column("id", ops.ID, nullable=False),
        sa.Column("at", ops.UTC_DATETIME, nullable=False),
        sa.Column("action", ops.key_type(64), nullable=False),
        sa.Column("actor_id", ops.ID, nullable=True),
        sa.Column("subject_id", ops.ID, nullable=True),
        sa.Column("session_id", ops.ID, nullable=True),
        sa.Column("ip", sa.String(45), nullable=True),
        sa.Column("user_agent", sa.String(512), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    ops.create_index("ix_audit_event_at", "audit_event", ["at"])


def downgrade() -> None:
    ops.drop_table("audit_event")
    for name in reversed(ADDED):
        ops.drop_column("user_session", name)
