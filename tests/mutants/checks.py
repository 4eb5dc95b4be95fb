"""Defects of the guard, and of its cost."""

from tests.mutants.planted import DATABASE, MYSQLS, Edit, Mutant

GUARD = "app/auth/guard.py"
FORWARD = "app/auth/forward.py"
FORWARDED = "tests/contract/test_forward.py"
POSTGRESQL = "app/database/postgresql.py"
MANAGER = "app/users/manager.py"
READS = "    rows = await resources.database.read("

ENDS = "tests/sessions/test_store.py::test_a_session_ends_on_every_worker_at_once"
ROUND_TRIP = "tests/auth/test_guard.py::test_the_guard_takes_one_round_trip"
LEAVES_NOTHING = "tests/auth/test_guard.py::test_the_guard_leaves_no_transaction_open"
TRANSACTION = "tests/auth/test_guard.py::test_a_transaction_after_the_guard_can_be_rolled_back"
DEACTIVATED = (
    "tests/contract/test_me.py::test_an_account_deactivated_in_the_database_is_refused[in-process]"
)
UNVERIFIED = "tests/contract/test_login.py::test_where_verification_is_required[in-process]"
SUPERUSERS = "tests/contract/test_users.py::test_guards_come_first[in-process-GET]"
OVERTAKEN = "tests/users/test_races.py::test_a_session_revoked_meanwhile_changes_nothing"
DEMOTED = (
    "tests/users/test_races.py"
    "::test_a_superuser_who_lost_the_right_meanwhile_changes_no_account[is_superuser-403-PATCH-change0]"
)
BOUND = "tests/crypto/test_passwords.py::test_hashes_beyond_the_queue_are_refused"
CHALLENGE = (
    "tests/contract/test_login.py::test_the_challenge_tells_no_token_from_a_bad_one[in-process-{}]"
)
EXPIRED = "tests/sessions/test_store.py::test_a_session_expires_by_its_row_and_by_its_token"
NICE = "tests/crypto/test_passwords.py::test_hashes_run_at_low_priority"

MUTANTS = [
    Mutant(
        "a cached principal",
        [
            Edit(GUARD, "class Guard(SecurityBase):", "_SEEN = {}\n\n\nclass Guard(SecurityBase):"),
            Edit(
                GUARD,
                READS,
                READS.replace("await", "_SEEN[session_id] = _SEEN.get(session_id) or await"),
            ),
        ],
        ("sqlite",),
        ENDS,
        "200",
    ),
    Mutant(
        "autocommit left on",
        [Edit(POSTGRESQL, 'set_level(connection, "READ COMMITTED")', "pass")],
        ("postgres",),
        TRANSACTION,
        r"\[\(0,\)\] == \[\(1,\)\]",
    ),
    Mutant(
        "a check in a transaction",
        [Edit(POSTGRESQL, 'set_level(driver, "AUTOCOMMIT")', "pass")],
        ("postgres",),
        ROUND_TRIP,
        r"\d == 1",
    ),
    Mutant(
        "a transaction without BEGIN",
        [Edit("app/database/mysql.py", 'connection.exec_driver_sql("BEGIN")', "pass")],
        MYSQLS,
        TRANSACTION,
        r"\[\(0,\)\] == \[\(1,\)\]",
    ),
    Mutant(
        "a read that leaves its transaction open",
        [Edit(DATABASE, 'if parsed.get_backend_name() == "postgresql":', "if not single:")],
        MYSQLS,
        LEAVES_NOTHING,
        "Lock wait timeout",
    ),
    Mutant(
        "a rollback of nothing",
        [Edit("app/database/mysql_driver.py", "if self.get_transaction_status():", "if self:")],
        MYSQLS,
        ROUND_TRIP,
        "2 == 1",
    ),
    Mutant(
        "a session of a deactivated account",
        [Edit(GUARD, "principal is None or not principal.user.is_active", "principal is None")],
        ("sqlite",),
        DEACTIVATED,
        "200 == 401",
    ),
    Mutant(
        "an unverified address accepted",
        [Edit(GUARD, "if self._verified and not", "if False and not")],
        ("sqlite",),
        UNVERIFIED,
        "403",
    ),
    Mutant(
        "every account a superuser",
        [Edit(GUARD, "if self._superuser and not", "if False and not")],
        ("sqlite",),
        SUPERUSERS,
        "403",
    ),
    Mutant(
        "a change with a session revoked meanwhile",
        [Edit(MANAGER, "await self.sessions.exists(actor.session_id)", "True")],
        ("sqlite",),
        OVERTAKEN,
        "assert|DID NOT RAISE",
    ),
    Mutant(
        "a change by a superuser who lost the right meanwhile",
        [Edit(MANAGER, "if not (own or account.is_superuser):", "if False:")],
        ("sqlite", "postgres"),
        DEMOTED,
        "200 == 403",
    ),
    Mutant(
        "an address beyond ASCII in a header",
        [Edit(FORWARD, "quote(user.email, safe=_PLAIN)", "user.email")],
        ("sqlite",),
        f"{FORWARDED}::test_every_address_fits_into_a_header[in-process-beyond ASCII]",
        "500|assert|KeyError",
    ),
    Mutant(
        "a query of another application's in the log",
        [Edit(FORWARD, 'uri.partition("?")[0]', "uri")],
        ("sqlite",),
        "tests/auth/test_forward.py::test_the_application_is_told_the_account",
        "hush",
    ),
    Mutant(
        "a refused token that is challenged like none",
        [
            Edit(
                GUARD,
                "raise Unauthorized(_problem(resources, reader, token))",
                "raise Unauthorized",
            )
        ],
        ("sqlite",),
        CHALLENGE.format("letter"),
        "Bearer",
    ),
    Mutant(
        "an empty token that is challenged as refused",
        [Edit("app/auth/transports.py", "token or None if", "token if")],
        ("sqlite",),
        CHALLENGE.format("scheme"),
        "Bearer",
    ),
    Mutant(
        "a challenge without the time at which the token expired",
        [
            Edit(
                "app/crypto/token_reader.py",
                '        return datetime.fromtimestamp(claims["exp"], UTC)',
                "        return None",
            )
        ],
        ("sqlite",),
        EXPIRED,
        "assert",
    ),
    Mutant(
        "hashes without a bound",
        [Edit("app/crypto/passwords.py", "if self._waiting >= MAX_WAITING:", "if False:")],
        ("sqlite",),
        BOUND,
        "TimeoutError",
    ),
    Mutant(
        "hashes at normal priority",
        [Edit("app/crypto/passwords.py", "initializer=", "initializer=None and ")],
        ("sqlite",),
        NICE,
        "assert",
    ),
]
