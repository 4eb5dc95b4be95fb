"""An index of the mails by address, to forget those of an account that is deleted."""

from migrations import ops

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

blocks = "mail_message has the mails of 30 days: PostgreSQL lets nobody enqueue while it is indexed"

INDEX = "ix_mail_message_address"


def upgrade() -> None:
    ops.create_index(INDEX, "mail_message", ["address"])


def downgrade() -> None:
    ops.drop_index(INDEX, "mail_message")
