"""Defects of the edge of HTTP: heads, waits, connections, HEAD."""

from tests.mutants.planted import Edit, Mutant

PROTOCOL = "app/http/protocol.py"
CONNECTIONS = "app/http/connections.py"
LIMITS = "tests/http/test_protocol.py"

MUTANTS = [
    Mutant(
        "a head without a limit",
        [Edit(PROTOCOL, "if room <= 0:", "room = len(data)\n            if False:")],
        ("sqlite",),
        f"{LIMITS}::test_a_head_without_an_end_is_refused[a value]",
        "IndexError|timed out",
    ),
    Mutant(
        "a head that may take for ever",
        [Edit(CONNECTIONS, "if wait.until <= now:", "if False:")],
        ("sqlite",),
        f"{LIMITS}::test_each_wait_for_a_client_ends",
        "timed out|TimeoutError",
    ),
    Mutant(
        "silent connections that keep all others out",
        [Edit(CONNECTIONS, "self._drop(oldest)\n        return True", "return False")],
        ("sqlite",),
        f"{LIMITS}::test_connections_beyond_the_limit_are_refused_until_others_have_waited",
        "503",
    ),
    Mutant(
        "trailers that become headers",
        [Edit(PROTOCOL, "if self.cycle is not None and self.cycle.more_body:", "if False:")],
        ("sqlite",),
        f"{LIMITS}::test_a_trailer_is_no_header",
        "assert",
    ),
    Mutant(
        "a WebSocket around the limits",
        [Edit(PROTOCOL, "self.ws_protocol_class = None", "pass")],
        ("sqlite",),
        f"{LIMITS}::test_no_upgrade_leaves_the_limits",
        "assert|timed out|Exception",
    ),
    Mutant(
        "a server without the limits",
        [
            Edit("app/cli/serve.py", "        http=BoundedProtocol,\n", ""),
            # uvicorn would count its own connections, and the server would not start.
            Edit("app/cli/serve.py", "        limit_concurrency=_connections(settings),\n", ""),
        ],
        ("sqlite",),
        f"{LIMITS}::test_the_server_has_the_limits_in_each_worker",
        "TimeoutError",
    ),
    Mutant(
        "a proxy by IPv4 that is not trusted",
        [Edit(PROTOCOL, "_unmapped(self.client)", "self.client")],
        ("sqlite",),
        "tests/cli/test_sockets.py::test_both_families_are_served_alike[1]",
        "assert",
    ),
    Mutant(
        "an answer that is written to a closed connection",
        [Edit(PROTOCOL, "self._running = cycle", "pass")],
        ("sqlite",),
        f"{LIMITS}::test_a_reader_of_several_answers_leaves_no_error",
        "assert",
    ),
    Mutant(
        "a HEAD with a body",
        [Edit("app/http/head_requests.py", '{**message, "body": b""}', "message")],
        ("sqlite",),
        "tests/http/test_middleware.py::test_head_sends_no_body_whatever_the_server_does_with_it",
        "assert",
    ),
]
