"""e, k: the schema is the models', on each database; landed revisions do not change."""

import ast
import hashlib
import re
import shutil
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from app.models import metadata
from app.schema.revisions import head
from app.schema.revisions import names as revisions
from tests.conftest import Cases
from tests.databases import database_url, in_database, server
from tests.migrations.conftest import AtRevision
from tests.migrations.fingerprint import COMMITTED, fingerprint
from tests.migrations.history import (
    MIGRATIONS,
    REVISIONS,
    config,
    offline_sql,
    run_in,
    upgrade,
)

VERSIONS = sorted((MIGRATIONS / "versions").glob("*.py"))
FROZEN = [*sorted(MIGRATIONS.glob("ops*.py")), *VERSIONS]

# The spellings of each database for SQLite's fingerprint, and the parts it does not have.
SPELLINGS = {
    "postgres": {
        "TIMESTAMP WITH TIME ZONE": "DATETIME",
        "UUID": "CHAR(32)",
        " collate C": "",
        "default true": "default 1",
        "default false": "default 0",
    },
    "mysql": {
        "DATETIME(6)": "DATETIME",
        "TINYINT(1)": "BOOLEAN",
        " collate utf8mb4_bin": "",
    },
    "mariadb": {
        "DATETIME(6)": "DATETIME",
        "TINYINT(1)": "BOOLEAN",
        " collate utf8mb4_bin": "",
        "LONGTEXT": "JSON",
    },
}
MISSING: dict[str, dict[str, str]] = {
    "postgres": {"ck_user_account_flags_are_flags": "its booleans are true or false by type"},
    "mysql": {},
    "mariadb": {},
}


def test_the_models_have_no_drift(tmp_path: Path, cases: Cases) -> None:
    upgrade(tmp_path, head())
    command.check(config(database_url(tmp_path)))
    cases("e", 1)


def test_the_schema_is_the_models_and_the_committed_one(
    tmp_path_factory: pytest.TempPathFactory, cases: Cases
) -> None:
    """After a change: python -m tests.migrations.fingerprint"""
    migrated, made = tmp_path_factory.mktemp("migrated"), tmp_path_factory.mktemp("made")
    upgrade(migrated, head())
    run_in(made, metadata.create_all)
    schema = fingerprint(migrated)
    assert schema == fingerprint(made)
    assert schema == (COMMITTED / f"{server().name}.txt").read_text()
    cases("e", len(schema.splitlines()))


@pytest.mark.only("sqlite")
def test_a_rebuilt_table_has_its_constraints_in_one_order(
    at_revision: AtRevision, cases: Cases
) -> None:
    """Online and in the printed SQL: they come from a set, ordered by addresses in memory."""
    made, printed = set(), set()
    for _ in range(8):
        folder = at_revision("0005")
        upgrade(folder, "0006")
        schema = "SELECT sql FROM sqlite_master WHERE name = 'user_account'"
        made |= set(in_database(folder, schema))
        printed.add(offline_sql(folder, "0005:0006"))
    assert (len(made), len(printed)) == (1, 1)
    cases("e", 1)


def test_the_databases_differ_only_as_declared(cases: Cases) -> None:
    reference = (COMMITTED / "sqlite.txt").read_text().splitlines()
    for name, spellings in SPELLINGS.items():
        text = (COMMITTED / f"{name}.txt").read_text()
        for theirs, ours in spellings.items():
            assert theirs in text, f"{name} has no {theirs} any more"
            text = text.replace(theirs, ours)
        expected = [line for line in reference if not any(part in line for part in MISSING[name])]
        # MySQL and MariaDB name no primary key.
        plain = [
            sorted(re.sub(r"primary key \w+", "primary key", line) for line in lines)
            for lines in (expected, text.splitlines())
        ]
        assert plain[0] == plain[1]
    cases("e", len(SPELLINGS))


def test_strings_compare_by_code_point() -> None:
    """Every column on MySQL and MariaDB; keys on PostgreSQL, which always compares exactly."""
    for name in ("mysql", "mariadb"):
        for line in (COMMITTED / f"{name}.txt").read_text().splitlines():
            if re.search(r"column \w+ (?:VARCHAR|CHAR|TEXT|LONGTEXT)", line):
                assert "collate utf8mb4_bin" in line
    text = (COMMITTED / "postgres.txt").read_text()
    keys = ["action", "name", "name", "name", "email_key"]
    assert re.findall(r"column (\w+) \S+ collate C", text) == keys


def test_autogenerate_finds_and_writes_a_missing_revision(tmp_path: Path, cases: Cases) -> None:
    """Autogenerate, in a copy, the revisions since 0003; the result imports nothing of the app."""
    copy = Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))
    for path in (copy / "versions").glob("*.py"):
        if path.name >= "0004":
            path.unlink()
    alembic = config(database_url(tmp_path), copy)
    command.upgrade(alembic, "head")
    with pytest.raises(Exception, match="New upgrade operations detected"):
        command.check(alembic)
    command.revision(alembic, "made again", autogenerate=True)
    [made] = (copy / "versions").glob("0004_*.py")
    assert not re.search(r"import app|from app|app\.", made.read_text())
    command.upgrade(alembic, "head")
    command.check(alembic)
    cases("e", 1)


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.stem)
def test_a_landed_revision_never_changes(path: Path, cases: Cases) -> None:
    """After a new one, in migrations/: sha256sum ops*.py versions/*.py > landed.sha256"""
    lines = (MIGRATIONS / "landed.sha256").read_text().splitlines()
    landed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert landed.get(str(path.relative_to(MIGRATIONS))) == digest
    assert len(landed) == len(FROZEN)
    cases("k", 1)


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_a_revision_imports_nothing_of_the_app(path: Path, cases: Cases) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
            if node.module == "migrations":
                assert all(alias.name.startswith("ops") for alias in node.names)
    assert imported <= {"alembic", "sqlalchemy", "migrations"}
    assert path.name.startswith(f"{config_scripts().get_revision(path.name[:4]).revision}_")
    cases("k", 1)


def config_scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))


def test_there_is_one_head_and_names_are_short_enough(cases: Cases) -> None:
    assert config_scripts().get_heads() == [head()]
    assert list(revisions()) == REVISIONS
    names = re.findall(r"\b(?:ck|fk|ix|pk|uq)_\w+", (COMMITTED / "sqlite.txt").read_text())
    assert names
    assert max(len(name.encode()) for name in names) <= 63
    cases("k", len(names))
