"""Measurements on AWS Lambda: log lines that CloudWatch reads as metrics.

A process there is frozen between requests and ends unasked, so each line is written at once. The
embedded metric format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
"""

import json
import os
import sys
import time
from collections.abc import Mapping

from app.metrics.recorder import Recorder

NAMESPACE = "Keystead"


class EmbeddedRecorder(Recorder):
    """Writes a line for each request and each log-in.

    Route, method and status are members of the line, for queries in the log, and no dimensions:
    CloudWatch charges each combination of values as a metric.
    """

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        emit(
            {"Requests": ("Count", 1), "RequestDuration": ("Milliseconds", seconds * 1_000)},
            {"route": route, "method": method, "status": status},
        )

    def count_login(self, outcome: str) -> None:
        emit({"Logins": ("Count", 1)}, {"Outcome": outcome}, dimension="Outcome")


def count(metric: str) -> None:
    """Add one to a metric of this function."""
    emit({metric: ("Count", 1)})


def emit(
    metrics: Mapping[str, tuple[str, float]],
    members: Mapping[str, object] | None = None,
    dimension: str | None = None,
) -> None:
    """Write a line with the unit and the value of each metric of this function.

    `members`: other members of the line. `dimension`: the one of them that divides the metrics.
    """
    about = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Function", dimension] if dimension else ["Function"]],
        "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
    }
    line = {
        "_aws": {"Timestamp": int(time.time() * 1_000), "CloudWatchMetrics": [about]},
        "Function": os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""),
        **{name: round(value, 3) for name, (_, value) in metrics.items()},
        **(members or {}),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
