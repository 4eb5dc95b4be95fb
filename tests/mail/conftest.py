"""Fixtures of the mail's tests."""

from pathlib import Path

import pytest

from tests.mail.smtp import write_certificate


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, which no client trusts."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "smtp.pem")
