"""The modules that serving a request imports, and those it must not import."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import make_environment

# Independent of the database.
pytestmark = pytest.mark.only("sqlite")

# Migrations, the command, mail servers, templates, metrics; the drivers of other databases.
# structlog imports rich if it is installed, which it is not on Lambda.
OTHERS = [
    "alembic",
    "mako",
    "typer",
    "uvicorn",
    "aiosmtplib",
    "jinja2",
    "prometheus_client",
    "asyncpg",
    "aiomysql",
    "pymysql",
]


@pytest.mark.parametrize("entry", ["app.main", "handler"])
def test_only_what_a_request_needs_is_imported(tmp_path: Path, entry: str) -> None:
    environment = make_environment(tmp_path, database_url="sqlite:///./k.db")
    environment["AWS_LAMBDA_FUNCTION_NAME"] = "api"
    ask = f"import sys, {entry}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True
    )
    imported = done.stdout.split()
    assert "app.main" in imported
    assert set(OTHERS) & set(imported) == set()
