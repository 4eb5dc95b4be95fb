"""Fixtures of the contract."""

import pytest

from tests.service import Account, Service


@pytest.fixture(scope="session")
def admin(service: Service) -> dict[str, str]:
    """Headers of a superuser's login."""
    return service.login(service.superuser())


@pytest.fixture
def person(service: Service) -> Account:
    """Somebody who has just registered."""
    return service.register()


@pytest.fixture
def headers(service: Service, person: Account) -> dict[str, str]:
    """Headers of that person's login."""
    return service.login(person)
