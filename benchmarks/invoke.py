"""Invoke a Lambda function in this process, repeatedly, and record the time of each call.

python -S invoke.py MODULE EVENT TIMES RESULT: the files with the event, and for the microseconds.
"""

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

WARM_UP = 200


def main(module: str, event: str, times: str, result: str) -> None:
    """Invoke it, each time with a new event, as the runtime does."""
    handler = import_module(module).handler
    text = Path(event).read_text()
    context = SimpleNamespace(
        aws_request_id="k", get_remaining_time_in_millis=lambda: 30_000, function_name="keystead"
    )
    took = []
    for _ in range(WARM_UP + int(times)):
        given = json.loads(text)
        begun = time.perf_counter_ns()
        answer = handler(given, context)
        took.append((time.perf_counter_ns() - begun) / 1_000)
        assert answer["statusCode"] == 200, answer
    Path(result).write_text(json.dumps(took[WARM_UP:]))


main(*sys.argv[1:])
