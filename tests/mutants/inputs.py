"""Defects of what is taken from outside: long texts, settings, output that cannot be written."""

from tests.mutants.planted import Edit, Mutant

LONG = "tests/http/test_long_texts.py::test_no_text_holds_the_process_up"
REFUSED = "tests/settings/test_settings.py::test_invalid_values_are_refused"
STRIPPED = "tests/settings/test_settings.py::test_white_space_around_a_text_is_no_part_of_it"
DONE = "tests/cli/test_output.py::test_an_account_is_created_without_a_report"
REPLACED = "tests/cli/test_output.py::test_what_the_encoding_of_a_name_lacks_is_replaced"
WHOLE = "tests/mail/test_letters.py::test_a_letter_in_any_language_arrives_with_its_link_whole"
AHEAD = "tests/tick/test_ahead.py::test_a_job_that_is_ahead_is_reported_and_reset"
TAKEN = "tests/tick/test_ahead.py::test_a_lease_of_the_future_is_taken_over"
LONG_ADDRESS = "tests/contract/test_users.py::test_the_page_after_a_long_address[in-process]"
MANAGER = "app/users/manager.py"
DELIVERY = "app/mail/delivery.py"
READINESS = "tests/http/test_readiness.py"
WRITTEN = "tests/cli/test_check.py"
PRIVATE = "tests/cli/test_commands.py::test_created_files_are_private_in_a_folder_that_is_not"
VERSIONS = "tests/database/test_version_table.py"
NOTICES = "tests/users/test_notices.py"
OPENAPI = "tests/contract/test_openapi.py"
ORIGINS = "tests/http/test_allowed_origins.py"
BELOW = "tests/http/test_base_path.py"

MUTANTS = [
    Mutant(
        "an address that is looked up before it is measured",
        [
            Edit(
                "app/users/database.py",
                "if not limits.EMAIL.holds(email) or not storable(email):",
                "if not storable(email):",
            )
        ],
        ("sqlite",),
        f"{LONG}[Tibetan vowels]",
        "/auth/jwt/login",
    ),
    Mutant(
        "a form's charset that is believed",
        [Edit("app/http/body_limit.py", "_without_charset(kind)", "kind")],
        ("sqlite",),
        f"{LONG}[digits]",
        "multipart/form-data",
    ),
    Mutant(
        "a cursor that is shorter than an address",
        [Edit("app/limits.py", "CURSOR = Longest(1_708, 1_708)", "CURSOR = Longest(500, 500)")],
        ("sqlite",),
        LONG_ADDRESS,
        "422",
    ),
    Mutant(
        "settings with the white space of their file",
        [Edit("app/settings/model.py", 'value.strip().strip("\\ufeff").strip()', "value")],
        ("sqlite",),
        STRIPPED,
        "ValidationError|assert",
    ),
    Mutant(
        "a report that rolls the migration back",
        [
            Edit(
                "app/cli/console.py",
                "    except (OSError, ValueError):\n        pass  # a",
                "    except KeyError:\n        pass  # a",
            )
        ],
        ("sqlite",),
        f"{DONE}[a full disk]",
        "assert",
    ),
    Mutant(
        "a terminal whose encoding stops a command",
        [Edit("app/cli/console.py", 'stream.reconfigure(errors="replace")', "pass")],
        ("sqlite",),
        f"{REPLACED}[cp1252]",
        "assert",
    ),
    Mutant(
        "a letter that must be ASCII",
        [Edit("app/mail/messages.py", 'return "7bit" if is_plain else "base64"', 'return "7bit"')],
        ("sqlite",),
        f"{WHOLE}[Greek-True]",
        "Unicode(De|En)codeError",
    ),
    Mutant(
        "a job that is ahead, and silent",
        [
            Edit(
                "app/tick/claim.py",
                "if ahead.is_ahead(period, row.done_through, now):",
                "if False:",
            )
        ],
        ("sqlite",),
        AHEAD,
        "failed",
    ),
    Mutant(
        "a lease that a wrong clock made",
        [
            Edit(
                "app/tick/claim.py",
                "if now < row.lease_until <= ahead.latest_end(job, now):\n        return await",
                "if now < row.lease_until:\n        return await",
            )
        ],
        ("sqlite",),
        TAKEN,
        "running",
    ),
    Mutant(
        "a login that makes a hash weaker",
        [Edit("app/crypto/passwords.py", "return _is_cheaper(", "return True or _is_cheaper(")],
        ("sqlite",),
        "tests/crypto/test_passwords.py::test_a_hash_that_costs_an_attacker_as_much_stays",
        "assert",
    ),
    Mutant(
        "a letter for each of many requests",
        [Edit(DELIVERY, "                await _merge(session, message)\n", "")],
        ("sqlite",),
        "tests/mail/test_outbox.py::test_equal_letters_that_wait_are_sent_as_one",
        "assert",
    ),
    Mutant(
        "a last attempt that takes the others along",
        [
            Edit(
                DELIVERY,
                "    if message.attempts >= MAX_ATTEMPTS:\n        return",
                "    if False:\n        return",
            )
        ],
        ("sqlite",),
        "tests/mail/test_outbox.py::test_the_last_attempt_of_a_letter_leaves_the_others",
        "assert",
    ),
    Mutant(
        "a notice to the new address",
        [
            Edit(
                MANAGER,
                "enqueue(ADDRESS_CHANGED, address)",
                "enqueue(ADDRESS_CHANGED, user.email)",
            )
        ],
        ("sqlite",),
        f"{NOTICES}::test_the_old_address_hears_of_the_change[its owner]",
        "assert",
    ),
    Mutant(
        "a password that changes quietly",
        [Edit(MANAGER, "self._outbox.enqueue(PASSWORD_CHANGED, user.email)", "pass")],
        ("sqlite",),
        f"{NOTICES}::test_a_reset_is_a_change",
        "assert",
    ),
    Mutant(
        "an outbox that keeps a deleted account",
        [Edit(MANAGER, "await self._outbox.forget(_spellings(found.email))", "pass")],
        ("sqlite", "postgres", "mysql", "mariadb"),
        f"{NOTICES}::test_the_outbox_forgets_a_deleted_account",
        "assert",
    ),
    Mutant(
        "a former address that stays",
        [
            Edit(
                DELIVERY,
                "if letter is not None and not letter.to_account",
                "if False",
            )
        ],
        ("sqlite",),
        f"{NOTICES}::test_the_outbox_forgets_a_deleted_account",
        "assert",
    ),
    Mutant(
        "a probe that queues behind requests",
        [
            Edit(
                "app/main.py",
                "ReadinessCheck(runner, probe, TABLES)",
                "ReadinessCheck(runner, resources.database, TABLES)",
            )
        ],
        ("sqlite", "postgres"),
        f"{READINESS}::test_a_busy_process_is_ready",
        "has not answered|assert",
    ),
    Mutant(
        "a probe that waits for a frozen server",
        [Edit("app/health.py", "timeout=PROBE_SECONDS", "timeout=30")],
        ("sqlite",),
        f"{READINESS}::test_a_frozen_server_is_reported_before_the_probe_gives_up[postgresql]",
        "TimeoutError|has not answered",
    ),
    Mutant(
        "a check that leaves its account",
        [Edit("app/cli/check.py", "await session.rollback()", "pass")],
        ("sqlite", "mysql"),
        f"{WRITTEN}::test_each_letter_is_written_for_an_account_that_is_rolled_back",
        "assert",
    ),
    Mutant(
        "a check that writes no letter",
        [
            Edit(
                "app/cli/check.py",
                "write_message(resources.settings, letter, message_id).as_bytes()",
                "pass",
            )
        ],
        ("sqlite",),
        f"{WRITTEN}::test_a_letter_that_cannot_be_written_is_named[without_link]",
        "assert",
    ),
    Mutant(
        "a letter for each spelling",
        [Edit("app/auth/reset.py", "same_spelling(email))", "email)")],
        ("sqlite",),
        f"{NOTICES}::test_requests_in_any_spelling_are_equal",
        "assert",
    ),
    Mutant(
        "a spelling of another address",
        [Edit("app/users/emails.py", "key if email_key(key) == key else email", "key")],
        ("sqlite",),
        f"{NOTICES}::test_a_spelling_is_of_the_same_address",
        "assert",
    ),
    Mutant(
        "a notice of the password to the new address",
        [
            Edit(
                MANAGER,
                "enqueue(PASSWORD_CHANGED, address)",
                "enqueue(PASSWORD_CHANGED, user.email)",
            )
        ],
        ("sqlite",),
        f"{NOTICES}::test_the_old_address_hears_of_both_at_once",
        "assert",
    ),
    Mutant(
        "a redirect to the request's host",
        [Edit("app/main.py", "redirect_slashes=False", "redirect_slashes=True")],
        ("sqlite",),
        "tests/http/test_addresses.py::test_no_answer_repeats_the_host",
        "assert",
    ),
    Mutant(
        "a database that everybody may read",
        [Edit("app/folders.py", "os.open(path, flags, 0o600)", "os.open(path, flags, 0o644)")],
        ("sqlite",),
        PRIVATE,
        "assert",
    ),
    Mutant(
        "a lock that everybody may read",
        [Edit("migrations/waits.py", ", mode=0o600", "")],
        ("sqlite",),
        PRIVATE,
        "assert",
    ),
    Mutant(
        "another application's revision that is believed",
        [
            Edit(
                "app/schema/version_table.py",
                "return None if missing_columns(inspector, former[0]) else former",
                "return former",
            )
        ],
        ("sqlite",),
        f"{VERSIONS}::test_another_applications_revision_is_not_ours[numbers like ours]",
        "assert|PreflightError",
    ),
    Mutant(
        "a revision that is not taken over",
        [Edit("migrations/env.py", "    take_over(connection)\n", "")],
        ("sqlite", "postgres", "mysql", "mariadb"),
        f"{VERSIONS}::test_a_revision_is_taken_over[0005]",
        "assert|Error",
    ),
    Mutant(
        "a table that nobody misses",
        [
            Edit(
                "app/schema/revisions.py",
                "return incomplete(found.current, missing) if missing else None",
                "return None",
            )
        ],
        ("sqlite",),
        f"{VERSIONS}::test_a_table_that_is_gone_is_named[tick_run]",
        "assert",
    ),
    Mutant(
        "orphans of another application's",
        [Edit("migrations/env.py", "if row[0] in metadata.tables", "")],
        ("sqlite",),
        f"{VERSIONS}::test_other_tables_are_left_alone",
        "without their parent",
    ),
    Mutant(
        "a clock that is ahead ends every session",
        [
            Edit(
                "app/sessions/store.py",
                "min(clock.now(), await database_now(session))",
                "clock.now()",
            )
        ],
        ("sqlite",),
        "tests/sessions/test_store.py::test_a_wrong_clock_ends_no_session[40]",
        "assert",
    ),
    Mutant(
        "a path of the public address that is lost",
        [Edit("app/main.py", "    if settings.base_path:\n", "    if False:\n")],
        ("sqlite",),
        f"{BELOW}::test_every_address_is_below_the_path[strips]",
        "assert",
    ),
    Mutant(
        "a password that is sent beside the path",
        [Edit("app/http/openapi.py", "if settings.base_path:", "if False:")],
        ("sqlite",),
        f"{BELOW}::test_every_address_is_below_the_path[leaves]",
        "assert",
    ),
    Mutant(
        "a redirect that reads the host",
        [
            Edit(
                "app/users/registration.py",
                'request.app.url_path_for("register:register")',
                'request.url_for("register:register").path',
            )
        ],
        ("sqlite",),
        f"{BELOW}::test_the_redirect_of_an_old_route_names_no_host",
        "assert",
    ),
    Mutant(
        "a bug that a browser cannot read",
        [
            Edit(
                "app/main.py",
                "    app.add_middleware(ServerErrorMiddleware, handler=",
                "    dict(x=",
            )
        ],
        ("sqlite",),
        f"{ORIGINS}::test_every_answer_is_readable[500]",
        "access-control-allow-origin",
    ),
    Mutant(
        "origins with a path",
        [
            Edit(
                "app/settings/texts.py",
                'if text != f"{parts.scheme}://{parts.netloc}" or',
                "if not parts.netloc or",
            )
        ],
        ("sqlite",),
        f"{ORIGINS}::test_what_is_no_origin_is_refused[https://app.camelot.bt/app]",
        "DID NOT RAISE",
    ),
    Mutant(
        "flags that generated clients require",
        [Edit("app/http/openapi.py", 'member.pop("default", None)', "pass")],
        ("sqlite",),
        f"{OPENAPI}::test_what_may_be_left_out_is_not_required[in-process]",
        "assert",
    ),
    Mutant(
        "a status without a schema",
        [Edit("app/http/answers.py", '"content": {"application/json": {"schema": schema}},', "")],
        ("sqlite",),
        f"{OPENAPI}::test_each_error_has_a_schema_whose_codes_are_enumerated[in-process]",
        "KeyError",
    ),
    Mutant(
        "an error that is taken for a token",
        [
            Edit("app/http/token_errors.py", '"/auth/jwt/login": _PASSWORD,', ""),
        ],
        ("sqlite",),
        "tests/contract/test_login.py::test_every_error_is_one_of_a_token_endpoint[in-process]",
        "assert",
    ),
]
