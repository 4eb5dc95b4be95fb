"""The OpenAPI schema is complete: no 5xx, and no answer that it does not list."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import TICK_TOKEN, Service, bearer, over_tcp

# Every check is on by default.
CONFIGURATION = """
[checks]
# Addresses, tokens and passwords mean more than a schema can say.
positive_data_acceptance.enabled = false

# A form's empty field counts as left out (RFC 6749, section 3.1), and the original notes send flags
# as texts: these take more than their schemas say.
[[operations]]
include-name = ["POST /auth/jwt/login", "PATCH /users/me", "PATCH /users/{id}"]
checks.negative_data_rejection.enabled = false
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with over_tcp(tmp_path_factory.mktemp("schemathesis")) as running:
        yield running


# The superuser's run sends every request that the others send: they are for one database.
@pytest.mark.parametrize(
    "client",
    [
        pytest.param("anonymous", marks=pytest.mark.only("sqlite")),
        "superuser",
        pytest.param("scheduler", marks=pytest.mark.only("sqlite")),
    ],
)
def test_every_answer_is_in_the_schema(served: Service, tmp_path: Path, client: str) -> None:
    arguments = [
        "--max-examples",
        "5",
        "--seed",
        "7",
        "--no-color",
        "--exclude-path",
        "/auth/jwt/logout",
    ]
    if client == "anonymous":
        # The long phases find no more as an anonymous client than as a superuser.
        arguments += ["--phases", "examples,fuzzing,stateful"]
    if client == "superuser":
        # Deactivating or deleting its own account would end the superuser's session.
        headers = served.login(served.superuser())
        arguments += ["--header", f"Authorization: {headers['Authorization']}"]
    if client == "scheduler":
        arguments += ["--header", f"Authorization: {bearer(TICK_TOKEN)['Authorization']}"]
        arguments += ["--include-path", "/tick"]
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file",
            configuration,
            "run",
            f"{served.client.base_url}/openapi.json",
            *arguments,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout
    assert "generated" in done.stdout
