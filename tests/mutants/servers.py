"""Defects of connections: to demoted servers, through poolers, to one host of several."""

from tests.mutants.planted import MYSQLS, Edit, Mutant

POSTGRES = ("postgres",)
READ_ONLY = "tests/database/test_read_only.py"
POOLERS = "tests/database/test_poolers.py"
HOSTS = "tests/database/test_hosts.py"
ERRORS = "app/database/errors.py"
DRIVER = "app/database/postgresql_driver.py"

MUTANTS = [
    Mutant(
        "connections that outlive a read-only server",
        [Edit(ERRORS, "context.is_disconnect = True", "pass")],
        POSTGRES,
        f"{READ_ONLY}::test_a_refused_write_replaces_all_connections"
        "[default_transaction_read_only]",
        "assert not",
    ),
    Mutant(
        "a probe that keeps its read-only connection",
        [Edit("app/schema/revisions.py", "await session.invalidate()", "pass")],
        POSTGRES,
        f"{READ_ONLY}::test_readiness_tells_that_the_database_takes_no_writes[DATABASE]",
        "unavailable",
    ),
    Mutant(
        "a conflict that is hidden by its SQLSTATE",
        [
            Edit(
                ERRORS,
                "{_sqlstate(error), next(iter(error.args), None)}",
                "{_sqlstate(error) or next(iter(error.args), None)}",
            )
        ],
        MYSQLS,
        "tests/database/test_conflicts.py::test_a_conflict_is_known_by_its_number[1305]",
        "DatabaseUnavailable",
    ),
    Mutant(
        "certificates that are looked for in the home folder",
        [Edit(DRIVER, "ssl=tls or False", "ssl='prefer' if is_tls_optional else tls or False")],
        POSTGRES,
        "tests/settings/test_database_url.py::test_nothing_is_read_from_the_home_folder"
        "[?sslmode=prefer]",
        "assert",
    ),
    Mutant(
        "a password that is looked for in the home folder",
        [Edit(DRIVER, 'options["password"] = ""', "pass")],
        POSTGRES,
        "tests/settings/test_database_url.py::test_nothing_is_read_from_the_home_folder"
        "[?sslmode=prefer]",
        "pgpass",
    ),
    Mutant(
        "named statements behind a transaction pooler",
        [
            Edit(
                "app/database/postgresql.py",
                'if pooler == "transaction" or not bounded:',
                "if not bounded:",
            )
        ],
        POSTGRES,
        f"{POOLERS}::test_clients_share_few_server_connections[transaction]",
        "503|DATABASE_UNAVAILABLE",
    ),
    Mutant(
        "time limits that are left to the pooler's next client",
        [Edit(DRIVER, '_limits("LOCAL")', '_limits("SESSION")')],
        POSTGRES,
        f"{POOLERS}::test_each_transaction_has_its_time_limits[transaction-transaction]",
        "15s",
    ),
    Mutant(
        "a migration whose lock a pooler shares",
        [Edit("migrations/poolers.py", "if await _are_shared(one, other):", "if False:")],
        POSTGRES,
        f"{POOLERS}::test_a_migration_refuses_a_transaction_pooler_that_it_finds[20]",
        "migrated from nothing",
    ),
    Mutant(
        "a standby that is taken for a primary",
        [
            Edit(
                "app/settings/database_hosts.py",
                'target = _WRITABLE[0] if len(addresses) > 1 else ""',
                'target = ""',
            )
        ],
        POSTGRES,
        f"{HOSTS}::test_a_standby_alone_is_refused_with_its_name",
        "read-only transaction",
    ),
    Mutant(
        "a silent host that is asked for each connection",
        [Edit(DRIVER, "self._addresses.insert(0, address)", "self._addresses.append(address)")],
        POSTGRES,
        f"{HOSTS}::test_a_silent_host_is_asked_once",
        "DID NOT RAISE",
    ),
]
