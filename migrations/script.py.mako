"""${message}

Before it lands (docs/migrations.md has the steps and the reasons):
- import nothing of the app: this file keeps its meaning for ever;
- name every constraint; write sa.true(), sa.false(), String(n);
- take each step from migrations.ops, whose steps can run again after a kill; guard any other with
  ops.exists(…);
- a step that locks a table for longer than a moment is declared beside `depends_on`:
  blocks = "reason";
- SQLite adds or drops a constraint, or drops a column that has one, only in
  `with op.batch_alter_table(…, copy_from=…):`, as 0006 does;
- expand, then contract: the release before this one still runs on the new schema.
Then replace this text by what the revision is for, and delete the unused imports.
"""

import sqlalchemy as sa
from alembic import op

from migrations import ops
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
