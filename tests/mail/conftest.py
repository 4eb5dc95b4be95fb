"""Fixtures of the mail's tests."""

from pathlib import Path

import pytest

from tests.mail.office import copy_database
from tests.mail.smtp import write_certificate
from tests.service import make_environment, run_command


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated database that nobody uses."""
    folder = tmp_path_factory.mktemp("migrated")
    run_command(make_environment(folder), "migrate")
    return folder


@pytest.fixture
def desk(tmp_path: Path, migrated: Path) -> Path:
    """A folder with a migrated database of the test's own."""
    return copy_database(migrated, tmp_path)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, which nobody trusts."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "smtp.pem")
