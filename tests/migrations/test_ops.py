"""migrations/ops.py: a revision whose steps were done runs again without an error."""

import shutil
from pathlib import Path

from alembic import command

from app.schema.revisions import head
from tests.databases import database_url, in_database
from tests.migrations.fingerprint import fingerprint
from tests.migrations.history import MIGRATIONS, config, offline_sql, run_in
from tests.migrations.test_offline import run_script

NEXT = f"{int(head()) + 1:04d}"
# Each way is run twice: on MySQL and MariaDB a kill can leave any part of its steps done.
REVISION = f"""
import sqlalchemy as sa
from migrations import ops

revision, down_revision, branch_labels, depends_on = "{NEXT}", "{head()}", None, None


def upgrade():
    for _ in range(TIMES):
        ops.create_table(
            "grail",
            sa.Column("id", ops.ID, nullable=False),
            sa.Column("name", ops.key_type(64), nullable=False),
            sa.PrimaryKeyConstraint("id", name="pk_grail"),
        )
        ops.add_column("grail", sa.Column("found_at", ops.UTC_DATETIME))
        ops.create_index("ix_grail_name", "grail", ["name"], unique=True)


def downgrade():
    for _ in range(TIMES):
        ops.drop_index("ix_grail_name", "grail")
        ops.drop_column("grail", "found_at")
        ops.drop_table("grail")
"""


def with_revision(folder: Path, times: int) -> Path:
    """Return a copy of the migrations with the revision above."""
    migrations = Path(shutil.copytree(MIGRATIONS, folder / "migrations"))
    revision = migrations / "versions" / f"{NEXT}_grail.py"
    revision.write_text(REVISION.replace("TIMES", str(times)))
    return migrations


def test_each_step_can_be_repeated(tmp_path: Path) -> None:
    migrations = with_revision(tmp_path, 2)
    alembic = config(database_url(tmp_path), migrations)
    command.upgrade(alembic, head())
    before = fingerprint(tmp_path)
    command.upgrade(alembic, NEXT)
    schema = fingerprint(tmp_path)
    assert all(part in schema for part in ("grail", "found_at", "ix_grail_name"))
    identifier = "0" * 32
    in_database(tmp_path, f"INSERT INTO grail (id, name) VALUES ('{identifier}', 'é')")
    in_database(tmp_path, f"INSERT INTO grail (id, name) VALUES ('{identifier[:-1]}1', 'e')")
    command.downgrade(alembic, head())
    assert fingerprint(tmp_path) == before


def test_the_printed_sql_holds_each_step(tmp_path: Path) -> None:
    migrations = with_revision(tmp_path, 1)
    alembic = config(database_url(tmp_path), migrations)
    command.upgrade(alembic, NEXT)
    schema = fingerprint(tmp_path)
    command.downgrade(alembic, head())
    run_in(tmp_path, run_script, offline_sql(tmp_path, f"{head()}:{NEXT}", migrations))
    assert fingerprint(tmp_path) == schema
