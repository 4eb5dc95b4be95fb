"""The time of a warm invocation on AWS Lambda, beside a function with the same select.

Each in a process of its own that has nothing but the artifact. The call of the handler is timed, as
the runtime makes it; the way to it is the same for both.
"""

import base64
import json
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path
from uuid import UUID

from benchmarks.bars import BARE
from benchmarks.contenders import KEYSTEAD, keystead, surroundings
from benchmarks.server import Server
from benchmarks.sitting import OURS, Measures, Row, Sitting
from tests.aws.events import Request, http_api
from tests.aws.service import the_artifact
from tests.databases import database_url

INVOCATIONS = 2_000
DRIVER = Path(__file__).with_name("invoke.py")
PEERS = Path(__file__).with_name("peers")


def measure(module: str, sitting: Sitting) -> Measures:
    folder = sitting.new_folder()
    with Server(KEYSTEAD, folder) as server:
        [authorization] = server.login(server.register())
    login = ("x-login", _login_of(authorization[1], sitting.database))
    event, result = folder / "event.json", folder / "microseconds.json"
    event.write_text(json.dumps(http_api(Request("GET", "/users/me", "", (authorization, login)))))
    environment = {
        **surroundings(),
        **keystead()(database_url(folder), folder, 80).environment,
        "PYTHONPATH": f"{the_artifact()}:{PEERS}",
        "AWS_LAMBDA_FUNCTION_NAME": "keystead",
        "_HANDLER": "handler.handler",
    }
    command = [sys.executable, "-S", str(DRIVER), module, str(event), str(INVOCATIONS), str(result)]
    with (folder / "invoked").open("wb") as log:
        subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=log, check=True)
    took = json.loads(result.read_text())
    cuts = statistics.quantiles(took, n=100)
    return {"p50, µs": cuts[49], "p99, µs": cuts[98]}


def _login_of(authorization: str, database: str) -> str:
    """Return the key of the session that a token names, as the database stores it."""
    payload = authorization.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    key = UUID(claims["jti"])
    return str(key) if database == "postgres" else key.hex


ROW = Row(
    "warm-lambda",
    "Warm invocation on AWS Lambda",
    {
        OURS: partial(measure, "handler"),
        BARE: partial(measure, "bare_handler"),
        "bare FastAPI behind Mangum": partial(measure, "fastapi_handler"),
    },
    "The call of the handler in a process that has nothing but the artifact, beside a handler that "
    "does nothing but the same select with the database's driver, and the same as the one route of "
    "an application. What Lambda itself adds to an invocation is the same for all, and not in it.",
    by_difference=True,
)
