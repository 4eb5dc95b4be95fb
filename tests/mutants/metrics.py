"""Defects of what is measured: series without end, requests and log-ins that count otherwise."""

from tests.mutants.planted import Edit, Mutant

SCRAPE = "tests/metrics/test_scrape.py"
RECORDING = "tests/metrics/test_recording.py"
WORKERS = "tests/metrics/test_workers.py"
BOUNDED = f"{SCRAPE}::test_requests_are_counted_by_template_and_no_client_makes_a_series"
ADDED = f"{WORKERS}::test_workers_add_up_and_a_slot_is_continued"
LOGIN = f"{RECORDING}::test_a_login_is_counted_once_by_how_its_transaction_ended"

MUTANTS = [
    Mutant(
        "a series for each path",
        [
            Edit(
                "app/http/route_templates.py",
                "return self._templates.get(id(reached), UNROUTED)",
                'return str(scope["path"])',
            )
        ],
        ("sqlite",),
        BOUNDED,
        "/users/01a2041d",
    ),
    Mutant(
        "a series for each method",
        [
            Edit(
                "app/metrics/recorder.py",
                "return method if method in _METHODS else OTHER_METHOD",
                "return method",
            )
        ],
        ("sqlite",),
        BOUNDED,
        "HOSTILE",
    ),
    Mutant(
        "a label that Prometheus sets itself",
        [Edit("app/tick/metrics.py", '_NAME = ["name"]', '_NAME = ["job"]')],
        ("sqlite",),
        f"{SCRAPE}::test_names_types_units_and_labels_follow_the_conventions",
        "job",
    ),
    Mutant(
        "a client that went away as an error of the server",
        [Edit("app/http/request_log.py", "GONE = 499", "GONE = 500")],
        ("sqlite",),
        f"{RECORDING}::test_a_request_whose_client_went_away_is_no_error_of_the_server",
        "500",
    ),
    Mutant(
        "a log-in that counts before its commit",
        [
            Edit(
                "app/auth/login_form.py",
                "    try:\n        yield\n    except APIError",
                '    recorder.count_login("success")\n    try:\n        yield\n    except APIError',
            )
        ],
        ("sqlite",),
        LOGIN,
        "assert",
    ),
    Mutant(
        "a scrape that waits for the requests' connections",
        [
            Edit(
                "app/scrape.py",
                "self._database.transaction()",
                "self._resources.database.transaction()",
            )
        ],
        ("sqlite",),
        f"{SCRAPE}::test_a_full_pool_is_measured_and_scraped",
        "assert",
    ),
    Mutant(
        "a probe that waits for a scrape",
        [Edit("app/resources.py", "connections=2", "connections=1")],
        ("sqlite",),
        "tests/http/test_readiness.py::test_a_probe_does_not_wait_for_a_scrape",
        "has not answered",
    ),
    Mutant(
        "a worker that answers for itself",
        [
            Edit(
                "app/metrics/prometheus.py",
                "read_slots(self._folder) if",
                "read_slots(self._folder)[:1] if",
            )
        ],
        ("sqlite",),
        ADDED,
        "assert",
    ),
    Mutant(
        "a new worker that forgets the counts of the old one",
        [Edit("app/metrics/workers.py", "if not path.exists():", "if path:")],
        ("sqlite",),
        ADDED,
        "assert",
    ),
]
