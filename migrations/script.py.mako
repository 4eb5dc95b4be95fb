"""${message}

Before it lands:
- import nothing of the app: this file must mean the same for ever;
- name every constraint; write sa.true(), sa.false(), String(n);
- MySQL and MariaDB commit after each statement: guard each step (if_not_exists=True, the inspector,
  `if not _has_column(…):`) so that a revision that was killed half-way, or gave up waiting for a
  table, can run again;
- a step that keeps others from a table for longer than a moment is owned up to beside `depends_on`:
  blocks = "reason";
- SQLite drops a constraint, or a column that has one, in `with op.batch_alter_table(…):` alone;
- expand, then contract: the release before this one still runs on the new schema.
"""

import sqlalchemy as sa
from alembic import context, op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def _has_column(table: str, column: str) -> bool:
    """Tell whether an earlier try, killed before it could be recorded, has added the column."""
    made = [] if context.is_offline_mode() else sa.inspect(op.get_bind()).get_columns(table)
    return any(one["name"] == column for one in made)


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
