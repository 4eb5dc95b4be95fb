"""${message}

Before it lands:
- import nothing of the app: this file must mean the same for ever;
- name every constraint; write sa.true(), sa.false(), String(n);
- MySQL and MariaDB commit after each statement: guard each step (if_not_exists=True, the inspector)
  so that a revision that was killed half-way can run again;
- expand, then contract: the release before this one still runs on the new schema.
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
