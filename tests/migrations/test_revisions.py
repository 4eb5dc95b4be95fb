"""The schema's history on the embedded database. Each revision is picked up by itself."""

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from app.schema import ROOT, head
from tests.service import make_environment

SCRIPTS = ScriptDirectory(str(ROOT / "migrations"))
REVISIONS = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]


def alembic(
    folder: Path, *arguments: str, code: int = 0, config: Path = ROOT / "alembic.ini"
) -> str:
    """Run `alembic` as a developer does, and return what it printed."""
    done = subprocess.run(
        [Path(sys.executable).with_name("alembic"), "--config", config, *arguments],
        env=make_environment(folder),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def schema(folder: Path) -> list[tuple[str, str, str]]:
    """Return what there is in the database: kind, name and normalised SQL."""
    with closing(sqlite3.connect(folder / "keystead.db")) as database:
        statement = "SELECT type, name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name"
        rows = database.execute(statement).fetchall()
    return [(kind, name, " ".join(sql.split())) for kind, name, sql in rows]


def test_up_down_and_up_again_is_the_same(tmp_path: Path) -> None:
    seen = []
    for revision in REVISIONS:
        alembic(tmp_path, "upgrade", revision)
        seen.append(schema(tmp_path))
        alembic(tmp_path, "downgrade", "-1")
        alembic(tmp_path, "upgrade", revision)
        assert schema(tmp_path) == seen[-1]
    for before in reversed(seen[:-1]):
        alembic(tmp_path, "downgrade", "-1")
        assert schema(tmp_path) == before


def test_the_models_have_no_drift(tmp_path: Path) -> None:
    alembic(tmp_path, "upgrade", "head")
    assert "No new upgrade operations detected" in alembic(tmp_path, "check")


def test_a_model_without_its_revision_is_found_and_written(tmp_path: Path) -> None:
    """Autogenerate, in a copy, what the last revision made; nothing of the app is in it."""
    shutil.copytree(ROOT / "migrations", tmp_path / "migrations")
    config = Path(shutil.copy(ROOT / "alembic.ini", tmp_path))
    (newest,) = (tmp_path / "migrations" / "versions").glob(f"{head()}_*.py")
    newest.unlink()
    alembic(tmp_path, "upgrade", "head", config=config)
    assert "New upgrade operations detected" in alembic(tmp_path, "check", code=255, config=config)
    alembic(tmp_path, "revision", "--autogenerate", "-m", "made again", config=config)
    made = tmp_path / "migrations" / "versions" / f"{head()}_made_again.py"
    assert not re.search(r"import app|from app|app\.", made.read_text())
    alembic(tmp_path, "upgrade", "head", config=config)
    assert "No new upgrade" in alembic(tmp_path, "check", config=config)


@pytest.mark.parametrize("path", sorted((ROOT / "migrations" / "versions").glob("*.py")))
def test_a_revision_stands_on_its_own(path: Path) -> None:
    assert not re.search(r"import app|from app|app\.", path.read_text())
    assert path.name.startswith(f"{SCRIPTS.get_revision(path.name[:4]).revision}_")


def test_there_is_one_head() -> None:
    assert SCRIPTS.get_heads() == [head()]


def test_offline_sql_makes_the_same_schema(tmp_path: Path) -> None:
    (tmp_path / "offline").mkdir()
    sql = alembic(tmp_path, "upgrade", "head", "--sql")
    statements = "\n".join(line for line in sql.splitlines() if not line.startswith("INFO"))
    with closing(sqlite3.connect(tmp_path / "offline" / "keystead.db")) as database:
        database.executescript(statements)
    alembic(tmp_path, "upgrade", "head")
    assert schema(tmp_path / "offline") == schema(tmp_path)


def test_eight_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app", "migrate"]
    environment = make_environment(tmp_path)
    migrators = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    said = [migrator.communicate(timeout=90)[0] for migrator in migrators]
    assert [migrator.returncode for migrator in migrators] == [0] * 8
    assert any(f"to {head()}" in text for text in said)
    alembic(tmp_path, "check")


def test_a_revision_that_was_cut_short_runs_again(tmp_path: Path) -> None:
    """Tables without their revision: what a kill leaves where DDL commits by itself."""
    alembic(tmp_path, "upgrade", "head")
    complete = schema(tmp_path)
    for revision in [None, *REVISIONS[:-1]]:
        with closing(sqlite3.connect(tmp_path / "keystead.db")) as database:
            database.execute("DELETE FROM alembic_version")
            if revision is not None:
                database.execute("INSERT INTO alembic_version VALUES (?)", [revision])
            database.commit()
        alembic(tmp_path, "upgrade", "head")
        assert schema(tmp_path) == complete
