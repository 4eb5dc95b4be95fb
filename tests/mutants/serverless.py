"""Defects on AWS Lambda, and of the deployment."""

from tests.mutants.planted import Edit, Mutant

ADAPTER = "app/aws/adapter.py"
SECRETS = "app/settings/secrets_manager.py"
EVENTS = "app/aws/events.py"
DEPLOYMENT = "app/aws/custom_resource.py"
DATABASE = "app/database/engine.py"

LIFE = "tests/aws/test_sandbox.py::test_five_hundred_invocations_share_one_lifespan"
THAWED = "tests/aws/test_sandbox.py::test_thawed_with_a_dead_connection"
STRAY = "tests/aws/test_sandbox.py::test_an_event_loop_run_by_other_code_breaks_nothing"
NOTES = "tests/aws/test_sandbox.py::test_requests_share_no_state"
GARBAGE = "tests/aws/test_sandbox.py::test_garbage_is_collected_except_imported_objects"
IN_TIME = "tests/aws/test_sandbox.py::test_a_request_out_of_time_is_answered_and_rolled_back"
CLIENT = "tests/aws/test_sandbox.py::test_the_clients_address_is_the_one_the_gateway_saw"
BELOW = "tests/aws/test_sandbox.py::test_below_a_base_path"
FAILS = "tests/aws/test_schedule.py::test_a_failed_job_raises_and_is_retried"
FORGED = "tests/aws/test_schedule.py::test_no_http_request_is_taken_for_the_schedule"
ENRICHED = "tests/aws/test_schedule.py::test_a_request_with_the_schedules_fields_is_a_request"
TOLD = (
    "tests/aws/test_deployment.py"
    "::test_cloudformation_is_answered_if_the_application_cannot_be_imported"
)
ANY_SCRIPT = "tests/aws/test_deployment.py::test_a_long_reason_is_cut_to_cloudformations_limit"
HEADERS = "tests/aws/test_sandbox.py::test_no_header_brings_it_down"
READ = "tests/aws/test_secrets.py::test_a_process_reads_each_secret_once"
TOLD_IN_TIME = (
    "tests/aws/test_deployment.py::test_cloudformation_is_answered_before_the_time_is_over"
)
NOT_BEGUN = "tests/aws/test_deployment.py::test_a_migration_is_not_started_without_time_to_end"
WAKES = "tests/aws/test_deployment.py::test_a_paused_database_is_retried"
A_MINUTE = "tests/aws/test_deployment.py::test_a_database_that_stays_down_is_retried_for_a_minute"
DELETED = "tests/aws/test_deployment.py::test_created_updated_and_deleted"
SEEN = "tests/aws/test_secrets.py::test_a_changed_secret_is_used_after_the_next_read"
CLOSED = "tests/aws/test_secrets.py::test_the_previous_lifespan_is_closed"
LOOKS = "tests/aws/test_secrets.py::test_secrets_are_read_every_five_minutes"
REFUSED = "tests/aws/test_secrets.py::test_a_refused_database_password_is_read_again"
SIGNED = "tests/aws/test_secrets.py::test_a_wrong_signature_is_refused"
BYTECODE = "tests/aws/test_artifact.py::test_each_imported_file_has_unchecked_bytecode"
DRIVERS = "tests/aws/test_artifact.py::test_there_is_no_driver_of_another_database_and_no_sdk"
SINGLE = "tests/database/test_engine.py::test_a_single_connection_is_recycled"
SAME = "tests/aws/test_answers.py::test_each_answer_is_uvicorns"

MUTANTS = [
    Mutant(
        "a lifespan for each event",
        [Edit(ADAPTER, "        self._renew()\n", "        self._open(self._settings)\n")],
        ("sqlite",),
        LIFE,
        "50[0-9] == 1|assert",
    ),
    Mutant(
        "the event loop of other code",
        [Edit(ADAPTER, "        asyncio.set_event_loop(self._loop)\n", "")],
        ("sqlite",),
        STRAY,
        "400 == 201",
    ),
    Mutant(
        "one state for all requests",
        [Edit(ADAPTER, 'scope["state"] = dict(self._state)', 'scope["state"] = self._state')],
        ("sqlite",),
        NOTES,
        "true",
    ),
    Mutant(
        "no garbage collection",
        [Edit("handler.py", "    gc.enable()\n", "")],
        ("sqlite",),
        GARBAGE,
        "0 > 0",
    ),
    Mutant(
        "a connection that is never recycled",
        [Edit(DATABASE, ', "pool_recycle": 300', "")],
        ("sqlite", "postgres"),
        SINGLE,
        "is not",
    ),
    Mutant(
        "connections without a ping",
        [Edit(DATABASE, "    _ping_idle_connections(engine, ping_after_seconds)\n", "")],
        ("postgres", "mysql"),
        THAWED,
        "503 == 200",
    ),
    Mutant(
        "requests without a time limit",
        [Edit(ADAPTER, "timeout=left - MARGIN_SECONDS", "timeout=None")],
        ("sqlite", "postgres"),
        IN_TIME,
        "FunctionError|assert|timed out",
    ),
    Mutant(
        "the client's own X-Forwarded-For",
        [Edit(EVENTS, '.rpartition(",")[2]', '.partition(",")[0]')],
        ("sqlite",),
        CLIENT,
        "203.0.113.9",
    ),
    Mutant(
        "no base path",
        [Edit("app/main.py", "    if settings.base_path:\n", "    if False:\n")],
        ("sqlite",),
        BELOW,
        "404",
    ),
    Mutant(
        "a failed tick is an answer",
        [Edit(EVENTS, 'if response["status"] != 200:', 'if response["status"] == 418:')],
        ("sqlite",),
        FAILS,
        "DID NOT RAISE",
    ),
    Mutant(
        "a header that stands for the token",
        [
            Edit(
                "app/http/bearer.py",
                "        if INTERNAL_REQUEST in request.scope:",
                "        if INTERNAL_REQUEST in {**request.scope, **request.headers}:",
            )
        ],
        ("sqlite",),
        FORGED,
        "200 in",
    ),
    Mutant(
        "a request with a schedule's field taken for the schedule",
        [
            Edit(EVENTS, '            and "requestContext" not in event\n', ""),
            Edit(ADAPTER, "        if is_http(event):", "        if is_http(event) is None:"),
        ],
        ("sqlite",),
        ENRICHED,
        "status",
    ),
    Mutant(
        "an import error that CloudFormation never hears of",
        [Edit(DEPLOYMENT, "except BaseException as error", "except OSError as error")],
        ("sqlite",),
        TOLD,
        "FunctionError|not enough values",
    ),
    Mutant(
        "a migration without a time limit",
        [Edit(DEPLOYMENT, ".result(seconds)", ".result()")],
        ("sqlite", "postgres"),
        TOLD_IN_TIME,
        "Regex|not enough values",
    ),
    Mutant(
        "a migration that outlives its answer",
        [Edit(DEPLOYMENT, "        os._exit(1)\n", "        pass\n")],
        ("sqlite",),
        TOLD_IN_TIME,
        "DID NOT RAISE",
    ),
    Mutant(
        "no time left to answer CloudFormation",
        [Edit(DEPLOYMENT, "_MARGIN_SECONDS = 10", "_MARGIN_SECONDS = 1")],
        ("sqlite",),
        NOT_BEGUN,
        "Reason",
    ),
    Mutant(
        "a database that must be awake",
        [Edit(DEPLOYMENT, "_WAKING_SECONDS = 60", "_WAKING_SECONDS = 0")],
        ("postgres", "mysql"),
        WAKES,
        r"Connection\w*Error|DatabaseUnavailable",
    ),
    Mutant(
        "a database that may sleep for an hour",
        [Edit(DEPLOYMENT, "_WAKING_SECONDS = 60", "_WAKING_SECONDS = 3_600")],
        ("sqlite",),
        A_MINUTE,
        "3601 <= 61",
    ),
    Mutant(
        "a reason of any length",
        [Edit(DEPLOYMENT, "_ANSWER_BYTES = 4_096", "_ANSWER_BYTES = 40_960")],
        ("sqlite",),
        ANY_SCRIPT,
        "FunctionError",
    ),
    Mutant(
        "a header that Mangum cannot read",
        [Edit(ADAPTER, "readable(event)", "event")],
        ("sqlite",),
        HEADERS,
        "== 200",
    ),
    Mutant(
        "a metric without its alarm",
        [Edit("app/metrics/embedded.py", 'NAMESPACE = "Keystead"', 'NAMESPACE = "keystead"')],
        ("sqlite",),
        IN_TIME,
        "Namespace",
    ),
    Mutant(
        "another name for the resource each time",
        [
            Edit(
                DEPLOYMENT,
                'event.get("PhysicalResourceId") or "keystead-schema"',
                '"keystead-schema"',
            )
        ],
        ("sqlite",),
        DELETED,
        "some other",
    ),
    Mutant(
        "secrets that are never read again",
        [Edit(ADAPTER, "            if settings == self._settings:", "            if True:")],
        ("sqlite",),
        SEEN,
        "200 == 401",
    ),
    Mutant(
        "a lifespan that is never closed",
        [
            Edit(
                ADAPTER,
                "        self._loop.run_until_complete(before.__aexit__(None, None, None))\n",
                "",
            )
        ],
        ("sqlite", "postgres"),
        CLOSED,
        r"assert \d+ == \d+",
    ),
    Mutant(
        "secrets at each request",
        [
            Edit(
                ADAPTER,
                "            return\n        self._look_again_at = time.time() + SECRETS_SECONDS\n",
                "            return\n",
            )
        ],
        ("sqlite",),
        LOOKS,
        r"assert \[1, 1, 2, 3",
    ),
    Mutant(
        "secrets once an hour",
        [Edit(ADAPTER, "SECRETS_SECONDS = 300", "SECRETS_SECONDS = 3_600")],
        ("sqlite",),
        LOOKS,
        r"assert \[1, 1, 1",
    ),
    Mutant(
        "a database password that is never read again",
        [Edit("app/resources.py", "if settings.secrets else None", "if False else None")],
        ("postgres", "mysql"),
        REFUSED,
        "503 == 201",
    ),
    Mutant(
        "a signature without the day",
        [
            Edit(
                SECRETS,
                'for part in (moment[:8], region, _SERVICE, "aws4_request"):',
                'for part in (region, _SERVICE, "aws4_request"):',
            )
        ],
        ("sqlite",),
        SIGNED,
        "InvalidSignatureException",
    ),
    Mutant(
        "credentials without their session",
        [Edit(SECRETS, 'headers["x-amz-security-token"] = token', "pass")],
        ("sqlite",),
        READ,
        "UnrecognizedClientException",
    ),
    Mutant(
        "bytecode with a date",
        [Edit("infra/build.py", '"unchecked-hash"', '"timestamp"')],
        ("sqlite",),
        BYTECODE,
        "assert",
    ),
    Mutant(
        "an artifact with every driver",
        [Edit("infra/build.py", "*DRIVERS.values()) - DRIVERS[driver]", "[])")],
        ("sqlite",),
        DRIVERS,
        "assert",
    ),
    Mutant(
        "a content type for an empty body",
        [Edit(ADAPTER, '            headers.pop("content-type", None)\n', "            pass\n")],
        ("sqlite",),
        SAME,
        "content-type",
    ),
]
