"""The browser of these tests."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.chromium import chromium

WAIT_MILLISECONDS = 15_000


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(
        tmp_path_factory.mktemp("chromium"),
        # Names for tests with TLS; nothing leaves this machine.
        "--host-resolver-rules=MAP *.bt 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, "
        "EXCLUDE localhost",
        "--ignore-certificate-errors",
    ) as browser:
        yield browser


@pytest.fixture
def person_browser(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of a person, without cookies."""
    with browser.new_context() as context:
        context.set_default_timeout(WAIT_MILLISECONDS)
        yield context


@pytest.fixture
def tab(person_browser: BrowserContext) -> Page:
    return person_browser.new_page()
