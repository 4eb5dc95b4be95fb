"""The cookie over TLS, with names: __Host-, other hosts of the site, and the sliding renewal."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.sites import SetCookie, at, html_with, site
from tests.databases import in_database
from tests.databases.server import free_port
from tests.http.nginx import nginx
from tests.mail.smtp import write_certificate
from tests.service import PASSWORD, Service, new_address, over_tcp

pytestmark = pytest.mark.only("sqlite")

_SERVER = """server {{
  listen 127.0.0.1:{port} ssl;
  server_name {name};
  ssl_certificate {certificate};
  ssl_certificate_key {certificate};
  location / {{ {content} }}
}}
"""


@dataclass
class Production:
    """https://id.camelot.bt, an application at https://app.camelot.bt, and an enemy beside them."""

    service: Service
    port: int
    folder: Path
    evil_port: int

    def url(self, host: str) -> str:
        return f"https://{host}.camelot.bt:{self.port}"


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    folder, port = tmp_path_factory.mktemp("production"), free_port()
    certificate = write_certificate(folder / "certificate.pem")
    identity, application = (f"https://{name}.camelot.bt:{port}" for name in ("id", "app"))
    with over_tcp(folder, base_url=identity, origins=application) as service:
        (folder / "app").mkdir()
        (folder / "app/index.html").write_text(at(html_with("/auth/cookie/login"), identity))
        evil_port = free_port()
        contents = {
            "id": f"proxy_pass {service.client.base_url};",
            "app": f"root {folder}/app;",
            "evil": f"proxy_pass http://127.0.0.1:{evil_port};",
        }
        servers = "".join(
            _SERVER.format(
                port=port, name=f"{name}.camelot.bt", certificate=certificate, content=content
            )
            for name, content in contents.items()
        )
        with nginx(folder / "nginx", "types { text/html html; }" + servers, port):
            yield Production(service, port, folder, evil_port)


def sign_up(tab: Page, production: Production) -> str:
    address = new_address()
    tab.goto(production.url("app"))
    tab.get_by_label("E-mail").fill(address)
    tab.get_by_label("Password", exact=True).fill(PASSWORD)
    tab.get_by_role("button", name="Sign up").click()
    expect(tab.locator("#email")).to_have_text(address)
    return address


def cookie_of(context: BrowserContext) -> Any:
    [cookie] = context.cookies()
    return cookie


def test_the_cookie_is_this_hosts_alone(
    production: Production, tab: Page, person_browser: BrowserContext
) -> None:
    sign_up(tab, production)
    cookie = cookie_of(person_browser)
    assert (cookie["name"], cookie["domain"]) == ("__Host-keystead", "id.camelot.bt")
    assert (cookie["secure"], cookie["httpOnly"], cookie["path"]) == (True, True, "/")


# Where a cookie's name ends differs between browsers and servers: bytes that are white space to
# Python's str.strip are letters to a browser, which then sees no prefix.
NAMES = ["__Host-keystead", "", "keystead", "\xa0__Host-keystead", "\x85__Host-keystead"]
DRESSED = "{name}={value}; Domain=camelot.bt; Secure; Path={path}"


def test_another_host_of_the_site_cannot_sign_the_person_in_as_somebody_else(
    production: Production, tab: Page, person_browser: BrowserContext
) -> None:
    address = sign_up(tab, production)
    enemy = production.service.register()
    form = {"username": enemy.email, "password": enemy.password}
    own = {"Sec-Fetch-Site": "same-origin"}
    answer = production.service.client.post("/auth/cookie/login", data=form, headers=own)
    value = answer.headers["set-cookie"].partition(";")[0].partition("=")[2]
    production.service.client.cookies.clear()
    lines = {
        f"/{n}{path}": SetCookie(DRESSED.format(name=name, value=value or name, path=path))
        for n, name in enumerate(NAMES)
        for path in ("/", "/users", "/users/me")
    }
    with site(production.evil_port, lines):
        for path in lines:
            assert tab.goto(production.url("evil") + path)
        tab.goto(production.url("app"))
        expect(tab.locator("#email")).to_have_text(address)


def age(folder: Path, minutes: int) -> None:
    """Let every session have been seen `minutes` ago."""
    then = datetime.now(UTC) - timedelta(minutes=minutes)
    statement = "UPDATE user_session SET last_seen_at = :then"
    # Not in this thread, in which Playwright has an event loop.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(in_database, folder, statement, then=then).result()


def test_the_browser_keeps_the_cookie_of_a_session_in_use(
    production: Production, tab: Page, person_browser: BrowserContext
) -> None:
    address = sign_up(tab, production)
    kept = cookie_of(person_browser)["expires"]
    for minutes, is_renewed in ((4, False), (6, True)):
        age(production.folder, minutes)
        tab.wait_for_timeout(1_100)  # expiry is in whole seconds
        tab.reload()
        expect(tab.locator("#email")).to_have_text(address)
        now = cookie_of(person_browser)["expires"]
        assert (now > kept) is is_renewed
        kept = now
