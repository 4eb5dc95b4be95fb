"""The defects: a careless change, the databases it shows on, and the test that detects it."""

from typing import NamedTuple

from app.schema.revisions import head

ALL = ("sqlite", "postgres", "mysql", "mariadb")
LENIENT = ("sqlite", "mysql", "mariadb")
MYSQLS = ("mysql", "mariadb")


class Edit(NamedTuple):
    """Replace `old`, wherever it occurs in the file; create the file (""), or remove it (None)."""

    path: str
    old: str
    new: str | None


class Mutant(NamedTuple):
    name: str
    edits: list[Edit]
    databases: tuple[str, ...]
    # The test that must fail, and a pattern of its failure.
    test: str
    says: str


CLAIM = "app/tick/claim.py"
RUNNER = "app/tick/runner.py"
ENV = "migrations/env.py"
USERS = "migrations/versions/0001_users.py"
SESSIONS = "migrations/versions/0002_sessions.py"
MAIL = "migrations/versions/0003_mail.py"
TICK = "migrations/versions/0004_tick.py"
ATTEMPTS = "migrations/versions/0005_tick_attempts.py"
FLAGS = "migrations/versions/0006_user_flags.py"
NEXT = f"{int(head()) + 1:04d}"
NEW = f"migrations/versions/{NEXT}_new.py"
DATABASE = "app/database/engine.py"
BASE = "app/database/base.py"
TYPES = "app/database/types.py"
ACCOUNT = "app/users/tables.py"
LOGIN = "app/sessions/tables.py"
OUTBOX = "app/mail/tables.py"

ONCE = "tests/exactly_once/test_deliveries.py::test_a_hundred_of_one_occurrence"
FAST_CLOCK = "tests/exactly_once/test_deliveries.py::test_a_fast_clock_takes_no_lease_away"
CLOCKS = "tests/exactly_once/test_deliveries.py::test_clocks_an_hour_off"
KILLED_IN_WORK = "tests/exactly_once/test_kills.py::test_killed_after_each_point[next_one]"
FROZEN = (
    "tests/exactly_once/test_kills.py"
    "::test_frozen_after_each_point_and_thawed_past_the_lease[next_one]"
)
MODEL = "tests/exactly_once/test_model.py::test_the_guarantee_holds"
KEYS = "tests/migrations/test_constraints.py::test_keys_distinguish_different_strings"
REFUSES = "tests/migrations/test_constraints.py::test_every_constraint_refuses"
WRITTEN = "tests/migrations/test_constraints.py::test_rows_are_what_the_application_wrote"
NAIVE = "tests/migrations/test_constraints.py::test_a_time_without_an_offset_is_refused"
SCHEMA = "tests/migrations/test_drift.py::test_the_schema_is_the_models_and_the_committed_one"
DRIFT = "tests/migrations/test_drift.py::test_the_models_have_no_drift"
LANDED = "tests/migrations/test_drift.py::test_a_landed_revision_never_changes"
KILLED = "tests/migrations/test_kills.py::test_killed_after_each_statement_and_run_again"
AT_ONCE = "tests/migrations/test_kills.py::test_eight_at_once"
STAIRWAY = "tests/migrations/test_stairway.py::test_up_down_and_up_again"
READ_BACK = "tests/migrations/test_stairway.py::test_rows_are_read_back_at_head"
BRINGS_ROWS = "tests/migrations/test_stairway.py::test_a_revision_brings_rows"
SAYS_WHY = "tests/migrations/test_blocking.py::test_a_blocking_step_declares_its_reason"
BEFORE = (
    "tests/migrations/test_previous_release.py::test_the_release_before_serves_on_the_new_schema"
)

NO_FENCE = [
    Edit(CLAIM, "            TickJob.fence == self.fence,\n", ""),
    Edit(CLAIM, "            TickJob.owner == self.owner,\n", ""),
]
INDEX_GUARD = '    if all(index["name"] != name for index in made):\n        op.create_index('
STATE_CHECK = """        sa.CheckConstraint(
            "state IN ('waiting', 'sent', 'dropped', 'dead')",
            name=op.f("ck_mail_message_state_known"),
        ),
"""
RENAME = f'''"""Call it what it is."""

from alembic import op

revision = "{NEXT}"
down_revision = "{head()}"


def upgrade() -> None:
    op.execute("ALTER TABLE user_session RENAME COLUMN expires_at TO ends_at")


def downgrade() -> None:
    op.execute("ALTER TABLE user_session RENAME COLUMN ends_at TO expires_at")
'''

MUTANTS = [
    Mutant(
        "no collation for the key, nor for its table",
        [
            Edit(USERS, 'VARCHAR(320, charset="utf8mb4", collation="utf8mb4_bin")', "VARCHAR(320)"),
            Edit(USERS, '    "mysql_collate": "utf8mb4_bin",\n', ""),
            Edit(USERS, '    "mariadb_collate": "utf8mb4_bin",\n', ""),
            Edit(TYPES, 'length, charset="utf8mb4", collation="utf8mb4_bin"', "length"),
            Edit(BASE, ', ("collate", "utf8mb4_bin"))', ",)"),
        ],
        MYSQLS,
        KEYS,
        r"Duplicate entry 'jos. ?@camelot.bt' for key",
    ),
    Mutant(
        "a collation for the key that is nearly binary",
        [Edit(USERS, 'collation="utf8mb4_bin"', 'collation="utf8mb4_0900_as_cs"')],
        ("mysql",),
        KEYS,
        "Duplicate entry 'ke",
    ),
    Mutant(
        "no collation for the key",
        [
            Edit(USERS, '.with_variant(sa.String(320, collation="C"), "postgresql")', ""),
            Edit(TICK, '.with_variant(sa.String(64, collation="C"), "postgresql")', ""),
            Edit(TYPES, '.with_variant(String(length, collation="C"), "postgresql")', ""),
        ],
        ("postgres",),
        SCHEMA,
        r"email_key VARCHAR\(320\) collate C",
    ),
    Mutant(
        "a table without its guard",
        [Edit(MAIL, "        if_not_exists=True,\n", "")],
        MYSQLS,
        f"{KILLED}[0003-upgrade]",
        "Table 'mail_message' already exists",
    ),
    Mutant(
        "an index without its guard",
        [Edit(SESSIONS, INDEX_GUARD, "    op.create_index(")],
        MYSQLS,
        f"{KILLED}[0002-upgrade]",
        "Duplicate key name",
    ),
    Mutant(
        "a column without its guard",
        [Edit(ATTEMPTS, 'if not _has_column("tick_job", "attempts"):', "if True:")],
        MYSQLS,
        f"{KILLED}[0005-upgrade]",
        "Duplicate column name",
    ),
    Mutant(
        "a downgrade without its guard",
        [Edit(TICK, "op.drop_table(table, if_exists=True)", "op.drop_table(table)")],
        MYSQLS,
        f"{KILLED}[0004-downgrade]",
        "Unknown table",
    ),
    Mutant(
        "foreign keys on while SQLite rebuilds a table",
        [Edit(ENV, 'sqlite = connection.dialect.name == "sqlite"', "sqlite = False")],
        ("sqlite",),
        f"{READ_BACK}[0005]",
        "KeyError: 'email'",
    ),
    Mutant(
        "no lock",
        [Edit(ENV, "        migration_lock(database.engine, say),\n", "")],
        ALL,
        AT_ONCE,
        r"exit code 1|sum\(",
    ),
    Mutant(
        "a revision without a CHECK",
        [Edit(MAIL, STATE_CHECK, "")],
        ALL,
        REFUSES,
        "ck_mail_message_state_known does not refuse",
    ),
    Mutant(
        "a model without a CHECK",
        [
            Edit(
                OUTBOX,
                "CheckConstraint(\"state IN ('waiting', 'sent', 'dropped', 'dead')\", "
                'name="state_known"),',
                "",
            )
        ],
        ALL,
        SCHEMA,
        "check ck_mail_message_state_known",
    ),
    Mutant(
        "a rebuilt table without a CHECK",
        [
            Edit(
                FLAGS,
                "sa.CheckConstraint(\"email_key <> ''\", "
                'name="ck_user_account_email_key_not_empty"),',
                "",
            )
        ],
        ("sqlite",),
        REFUSES,
        "ck_user_account_email_key_not_empty does not refuse",
    ),
    Mutant(
        "a moment without its offset",
        [Edit(TYPES, "        value = value.astimezone(UTC)\n", "")],
        LENIENT,
        WRITTEN,
        "created_at",
    ),
    Mutant(
        "a moment in local time",
        [Edit(TYPES, "value = value.astimezone(UTC)\n", "value = value.astimezone()\n")],
        LENIENT,
        WRITTEN,
        "created_at",
    ),
    Mutant(
        "a naive moment, taken for UTC",
        [
            Edit(
                TYPES,
                "if value.tzinfo is None:\n            raise",
                "if False:\n            raise",
            )
        ],
        ALL,
        NAIVE,
        "DID NOT RAISE",
    ),
    Mutant(
        "moments without fractions",
        [
            Edit(USERS, "mysql.DATETIME(fsp=6)", "mysql.DATETIME()"),
            Edit(TYPES, "mysql.DATETIME(fsp=6)", "mysql.DATETIME()"),
        ],
        MYSQLS,
        WRITTEN,
        r"created_at.* 123456",
    ),
    Mutant(
        "moments that end in 2038",
        [
            Edit(USERS, "mysql.DATETIME(fsp=6)", "mysql.TIMESTAMP(fsp=6)"),
            Edit(TYPES, "mysql.DATETIME(fsp=6)", "mysql.TIMESTAMP(fsp=6)"),
        ],
        MYSQLS,
        WRITTEN,
        "Incorrect datetime value: '2039",
    ),
    Mutant(
        "a revision without a default",
        [
            Edit(
                path,
                '"is_active", sa.Boolean(), server_default=sa.true()',
                '"is_active", sa.Boolean()',
            )
            for path in (USERS, FLAGS)
        ],
        ALL,
        SCHEMA,
        "is_active .* default",
    ),
    Mutant(
        "a default that is a quoted word",
        [
            *(
                Edit(path, "server_default=sa.true()", 'server_default="true"')
                for path in (USERS, FLAGS)
            ),
            Edit(ACCOUNT, "server_default=true()", 'server_default="true"'),
        ],
        ("sqlite",),
        SCHEMA,
        "is_active .* default",
    ),
    Mutant(
        "a downgrade that loses a column",
        [Edit("tests/migrations/rows/r0005.py", '{"tick_job": {"attempts"}}', "{}")],
        ALL,
        f"{STAIRWAY}[0005]",
        "lost without a word: tick_job",
    ),
    Mutant(
        "a downgrade that loses what was in one",
        [
            Edit(
                FLAGS,
                "    if context.is_offline_mode() or _has_check():\n",
                '    op.execute("UPDATE user_account SET is_verified = 0")\n'
                "    if context.is_offline_mode() or _has_check():\n",
            )
        ],
        LENIENT,
        f"{STAIRWAY}[0006]",
        "is_verified",
    ),
    Mutant(
        "a model's column without a revision",
        [
            Edit(
                ACCOUNT,
                "    created_at:",
                "    nickname: Mapped[str | None] = mapped_column(String(64))\n    created_at:",
            )
        ],
        ALL,
        DRIFT,
        "New upgrade operations detected.*nickname",
    ),
    Mutant(
        "a landed revision that was edited",
        [Edit(USERS, "one for each address", "one for every address")],
        ("sqlite",),
        f"{LANDED}[0001_users]",
        "E +AssertionError: assert '932e41dd",
    ),
    Mutant(
        "a revision without rows",
        [Edit("tests/migrations/rows/r0006.py", "ROWS: Rows", None)],
        ("sqlite",),
        f"{BRINGS_ROWS}[0006]",
        "No module named 'tests.migrations.rows.r0006'",
    ),
    Mutant(
        "a step that blocks readers and does not say why",
        [Edit(ATTEMPTS, "blocks = ", "reason = ")],
        ("postgres",),
        f"{SAYS_WHY}[0005]",
        "0005 blocks and does not say why",
    ),
    Mutant(
        "a step that blocks writers and does not say why",
        [Edit(FLAGS, "blocks = ", "reason = ")],
        LENIENT,
        f"{SAYS_WHY}[0006]",
        "0006 blocks and does not say why",
    ),
    Mutant(
        "a change of data that counts twice",
        [
            Edit(ATTEMPTS, "SET attempts = (", "SET attempts = attempts + ("),
            Edit(
                ATTEMPTS,
                "    op.execute(COUNT_TRIES)\n",
                "    op.execute(COUNT_TRIES)\n"
                '    if not any(sa.inspect(op.get_bind()).get_indexes("tick_job")):\n'
                '        op.create_index("ix_tick_job_owner", "tick_job", ["owner"])\n',
            ),
        ],
        MYSQLS,
        f"{KILLED}[0005-upgrade]",
        "killed after 3",
    ),
    Mutant(
        "a column that the release before reads, renamed",
        [
            Edit(NEW, "", RENAME),
            Edit(LOGIN, "mapped_column(index=True)", 'mapped_column("ends_at", index=True)'),
        ],
        ("sqlite",),
        f"{BEFORE}[{head()}]",
        "expires_at",
    ),
    Mutant(
        "no fence",
        NO_FENCE,
        ALL,
        FROZEN,
        r"1: 2",
    ),
    Mutant(
        "no fence, as the model sees it",
        NO_FENCE,
        ("sqlite",),
        MODEL,
        "done twice|marks|: 2",
    ),
    Mutant(
        "no lease",
        [
            Edit(
                CLAIM,
                "    if now < row.lease_until <= ahead.latest_end(job, now):\n",
                "    if False:\n",
            ),
            Edit(
                CLAIM,
                "        or_(TickJob.lease_until < now, "
                "TickJob.lease_until > ahead.latest_end(job, now)),\n",
                "",
            ),
        ],
        ALL,
        FAST_CLOCK,
        "1: 1",
    ),
    Mutant(
        "the process's clock",
        [
            Edit(CLAIM, "await database_now(session)", "__import__('app.clock').clock.now()"),
            Edit(RUNNER, "await database_now(session)", "clock.now()"),
        ],
        ALL,
        FAST_CLOCK,
        "1: 1",
    ),
    Mutant(
        "the process's clock says what is due",
        [Edit(RUNNER, "await database_now(session)", "clock.now()")],
        ALL,
        CLOCKS,
        "assert",
    ),
    Mutant(
        "a key that differs by execution",
        [
            Edit(
                RUNNER,
                "        return int(at.timestamp() // period * period)",
                "        moved = __import__('time').time_ns() // 1_000 % 1_000\n"
                "        return int(at.timestamp() // period * period) + moved",
            )
        ],
        ALL,
        ONCE,
        "assert",
    ),
    Mutant(
        "done marked outside the transaction",
        [
            Edit(
                RUNNER,
                "                result = await claim.job.run(context)\n            await claims",
                "                result = await claim.job.run(context)\n"
                "        async with self.resources.database.transaction() as session:\n"
                "            await claims",
            )
        ],
        ALL,
        KILLED_IN_WORK,
        "set|1: 2",
    ),
]
