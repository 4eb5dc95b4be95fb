"""Fixtures of the contract."""

import pytest

from tests.service import Account, Service


@pytest.fixture(scope="session")
def admin(service: Service) -> dict[str, str]:
    """Headers of a superuser's session."""
    return service.login(service.superuser())


@pytest.fixture
def person(service: Service) -> Account:
    """A new account."""
    return service.register()


@pytest.fixture
def headers(service: Service, person: Account) -> dict[str, str]:
    """Headers of that account's session."""
    return service.login(person)
