"""Defects of the seams: errors and their writes, settings, fields, constraints, streams."""

from tests.mutants.planted import ALL, DATABASE, Edit, Mutant

ERRORS = "app/database/errors.py"
HANDLERS = "app/http/error_handlers.py"
SCHEMAS = "app/users/schemas.py"

KEEPS = "tests/http/test_error_handlers.py::test_an_error_commits_only_if_it_keeps_its_writes"
BUG = "tests/http/test_error_handlers.py::test_an_error_of_the_system_in_a_route_is_a_bug"
UNKNOWN = (
    "tests/http/test_error_handlers.py::test_a_constraint_without_an_error_of_its_own_is_a_bug"
)
REFUSES = "tests/migrations/test_constraints.py::test_every_constraint_refuses"
FIELDS = (
    "tests/docs/test_fields.py"
    "::test_the_page_of_fields_adds_one_that_is_created_shown_changed_and_cleared"
)
RELEASED = "tests/database/test_session.py::test_a_connection_is_not_released_after_a_write"
STREAMED = "tests/database/test_streams.py::test_a_stream_holds_a_thousand_rows_and_not_all"
ONCE = "tests/cli/test_commands.py::test_a_command_builds_its_settings_once"
LISTED = "tests/aws/test_secrets.py::test_secrets_listed_in_a_file_are_read"

MUTANTS = [
    Mutant(
        "an error whose writes are rolled back",
        [Edit(DATABASE, "if error.keeps_writes:", "if False:")],
        ALL,
        KEEPS,
        "assert 0 == 1",
    ),
    Mutant(
        "an error whose writes are always kept",
        [Edit(DATABASE, "if error.keeps_writes:", "if True:")],
        ("sqlite",),
        KEEPS,
        "assert 1 == 0",
    ),
    Mutant(
        "every OSError taken for the database's",
        [
            Edit(
                HANDLERS,
                "    app.add_exception_handler(Exception, internal_server_error)\n",
                "    app.add_exception_handler(Exception, internal_server_error)\n"
                "    app.add_exception_handler(OSError, _unavailable)\n",
            ),
            Edit(
                HANDLERS,
                "async def internal_server_error(",
                "async def _unavailable(request: Request, error: Exception) -> Response:\n"
                "    return error_response(DatabaseUnavailable())\n\n\n"
                "async def internal_server_error(",
            ),
        ],
        ("sqlite",),
        BUG,
        "503",
    ),
    Mutant(
        "an unknown constraint taken for a refusal",
        [
            Edit(
                ERRORS,
                "return ConstraintViolated(constraint_name(error, context.statement))",
                "return DatabaseUnavailable()",
            )
        ],
        ALL,
        UNKNOWN,
        "503 == 500",
    ),
    Mutant(
        "a CHECK whose error class decides",
        [Edit(ERRORS, " or is_violation(error)", "")],
        ("mysql", "mariadb"),
        REFUSES,
        "ck_mail_message_state_known",
    ),
    Mutant(
        "a field that registration drops",
        [
            Edit(
                SCHEMAS,
                '        del sent["password"]\n        return sent\n\n\nclass UserCreate',
                '        return {"email": sent["email"]}\n\n\nclass UserCreate',
            )
        ],
        ("sqlite",),
        FIELDS,
        "Elaine",
    ),
    Mutant(
        "a field that the guard does not read",
        [
            Edit(
                "app/auth/principal.py",
                "_FIELDS = tuple(UserRead.model_fields)",
                '_FIELDS = ("id", "email", "is_active", "is_superuser", "is_verified")',
            )
        ],
        ("sqlite",),
        FIELDS,
        "nickname",
    ),
    Mutant(
        "a field that null does not clear",
        [
            Edit(
                SCHEMAS,
                '        if sent.get("password", "") is None:\n            del sent["password"]\n'
                "        return sent\n",
                "        return {k: v for k, v in sent.items() if v is not None}\n",
            )
        ],
        ("sqlite",),
        FIELDS,
        "Lily Maid|== None|is None",
    ),
    Mutant(
        "a connection released after a write",
        [Edit("app/database/session.py", "    if session.info.get(_HAS_WRITTEN)", "    if False")],
        ("sqlite",),
        RELEASED,
        "DID NOT RAISE",
    ),
    Mutant(
        "a cursor that fetches all rows",
        [Edit("app/database/sqlite_driver.py", "_FIRST_ROWS = 1_000", "_FIRST_ROWS = 1_000_000")],
        ("sqlite",),
        STREAMED,
        "assert .* < ",
    ),
    Mutant(
        "settings that are built again to migrate",
        [
            Edit(
                "migrations/env.py",
                'context.config.attributes.get("database_url") or ',
                "",
            )
        ],
        ("sqlite",),
        ONCE,
        "assert",
    ),
    Mutant(
        "secrets that only a variable can list",
        [
            Edit(
                "app/settings/sources.py",
                "for source in reversed(self._variables):",
                "for source in self._variables[:1]:",
            )
        ],
        ("sqlite",),
        LISTED,
        "assert",
    ),
]
