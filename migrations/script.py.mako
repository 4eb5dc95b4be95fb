"""${message}

Before it lands (docs/migrations.md has the steps, and why):
- import nothing of the app: this file must mean the same for ever;
- name every constraint; write sa.true(), sa.false(), String(n);
- MySQL and MariaDB commit after each statement: guard each step with _not_yet or _still (a table:
  if_not_exists=True, if_exists=True), so that a revision that was killed half-way, or gave up
  waiting for a table, can run again;
- a step that keeps others from a table for longer than a moment is owned up to beside `depends_on`:
  blocks = "reason";
- SQLite adds or drops a constraint, or drops a column that has one, in
  `with op.batch_alter_table(…, copy_from=…):` alone, as 0006 does;
- expand, then contract: the release before this one still runs on the new schema.
Then say here what it does instead, and take out what is not used.
"""

import sqlalchemy as sa
from alembic import context, op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def _not_yet(things: str, table: str, name: str) -> bool:
    """Tell whether it has yet to be made: a try that was killed before it was recorded may have.

    `things`: columns, indexes, check_constraints, unique_constraints or foreign_keys.
    """
    return context.is_offline_mode() or name not in _names(things, table)


def _still(things: str, table: str, name: str) -> bool:
    """Tell whether it has yet to be dropped."""
    return context.is_offline_mode() or name in _names(things, table)


def _names(things: str, table: str) -> set[str]:
    return {thing["name"] for thing in getattr(sa.inspect(op.get_bind()), f"get_{things}")(table)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
