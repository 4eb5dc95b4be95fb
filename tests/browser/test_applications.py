"""The applications of docs/browser.md, as the page shows them, used by a person."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from tests.browser.sites import APPLICATION, KEYSTEAD, PAGE, at, html_with, site
from tests.databases.server import free_port
from tests.docs.console import blocks
from tests.http.nginx import nginx
from tests.service import PASSWORD, Service, bearer, new_address, over_tcp

pytestmark = pytest.mark.only("sqlite")

COOKIE, BEARER = "/auth/cookie/login", "/auth/jwt/login"
ELSEWHERE = "<title>Elsewhere</title>"


@dataclass
class Application:
    """An application, and the Keystead that it calls."""

    url: str
    service: Service
    has_cookie: bool = True
    path: str = ""

    @property
    def me(self) -> str:
        """The address of GET /users/me."""
        return f"{self.url if self.path else self.keystead}{self.path}/users/me"

    @property
    def keystead(self) -> str:
        return str(self.service.client.base_url).rstrip("/")


@contextmanager
def on_the_same_origin(folder: Path) -> Iterator[Application]:
    """Behind the page's nginx, with Keystead below a path."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with over_tcp(folder, base_url=f"{url}/id") as service:
        application = Application(url, service, path="/id")
        with behind_nginx(folder, port, application.keystead):
            yield application


@contextmanager
def behind_nginx(folder: Path, port: int, keystead: str, word: str = COOKIE) -> Iterator[None]:
    """Run the page's nginx before the Keystead at the URL `keystead`."""
    files = folder / "files"
    files.mkdir()
    (files / "index.html").write_text(at(html_with(word), "/id"))
    (files / "elsewhere.html").write_text(ELSEWHERE)
    (server,) = blocks(PAGE, "nginx")
    assert at_server(server, "/srv/application") == server
    here = at_server(server, str(files)).replace(APPLICATION, f"127.0.0.1:{port}")
    here = here.replace(KEYSTEAD, keystead)
    with nginx(folder / "nginx", "types { text/html html; }" + here, port):
        yield


def at_server(block: str, files: str) -> str:
    """Return an nginx block that serves the files of a folder."""
    here, edits = re.subn(r"root [^;]+;", f"root {files};", block)
    assert edits == 1
    return here


@contextmanager
def on_another_origin(
    folder: Path, word: str = COOKIE, host: str = "127.0.0.1"
) -> Iterator[Application]:
    """Served by a server of its own, at a listed origin."""
    port = free_port()
    url = f"http://{host}:{port}"
    with ExitStack() as stack:
        # The bearer tokens' page refreshes a minute early: after a second.
        service = stack.enter_context(over_tcp(folder, origins=url, access_seconds="61"))
        keystead = str(service.client.base_url).rstrip("/")
        contents = {"/": at(html_with(word), keystead), "/elsewhere.html": ELSEWHERE}
        contents["/cookie.html"] = at(html_with(COOKIE), keystead)
        stack.enter_context(site(port, contents))
        yield Application(url, service, has_cookie=word == COOKIE)


@contextmanager
def on_another_site(folder: Path) -> Iterator[Application]:
    """With bearer tokens."""
    with on_another_origin(folder, BEARER, "localhost") as application:
        yield application


@pytest.fixture(scope="module", params=[on_the_same_origin, on_another_origin, on_another_site])
def application(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Application]:
    with request.param(tmp_path_factory.mktemp("application")) as application:
        yield application


def submit(tab: Page, button: str, address: str, password: str = PASSWORD) -> None:
    tab.get_by_label("E-mail").fill(address)
    tab.get_by_label("Password", exact=True).fill(password)
    tab.get_by_role("button", name=button).click()


def expect_signed_in(tab: Page, address: str) -> None:
    expect(tab.locator("#account")).to_be_visible()
    expect(tab.locator("#email")).to_have_text(address)
    expect(tab.locator("#sign-in")).to_be_hidden()


def expect_signed_out(tab: Page, address: str) -> None:
    expect(tab.locator("#sign-in")).to_be_visible()
    expect(tab.locator("#account")).to_be_hidden()
    assert address not in tab.content()


def test_a_person_signs_up_reloads_changes_the_password_and_signs_out(
    application: Application, tab: Page, person_browser: BrowserContext
) -> None:
    address, new = new_address(), f"{PASSWORD}!"
    message = tab.locator("#message")
    tab.goto(application.url)
    expect_signed_out(tab, address)
    submit(tab, "Sign up", address, "short")
    expect(message).to_contain_text("at least 8")
    submit(tab, "Sign up", address)
    expect_signed_in(tab, address)
    expect(message).to_be_empty()
    tab.reload()
    expect_signed_in(tab, address)

    tab.get_by_label("New password").fill("short")
    tab.get_by_role("button", name="Change").click()
    expect(message).to_contain_text("at least 8")
    tab.get_by_label("New password").fill(new)
    tab.get_by_role("button", name="Change").click()
    expect(message).to_contain_text("is changed")
    expect_signed_in(tab, address)

    tab.get_by_role("button", name="Sign out").click()
    expect_signed_out(tab, address)
    assert person_browser.cookies() == []
    tab.reload()
    expect_signed_out(tab, address)
    submit(tab, "Sign in", address)
    expect(message).to_have_text("The address or the password is wrong.")
    expect_signed_out(tab, "no such text")
    submit(tab, "Sign up", address)
    expect(message).to_contain_text("has an account")
    submit(tab, "Sign in", address, new)
    expect_signed_in(tab, address)


def test_no_script_sees_the_token_of_the_cookie(
    application: Application, tab: Page, person_browser: BrowserContext
) -> None:
    address = new_address()
    tab.goto(application.url)
    submit(tab, "Sign up", address)
    expect_signed_in(tab, address)
    [*cookies] = person_browser.cookies()
    if application.has_cookie:
        [cookie] = cookies
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("keystead", True, "Lax")
        assert tab.evaluate("[document.cookie, JSON.stringify(localStorage)]") == ["", "{}"]
    else:
        assert cookies == []


@pytest.mark.parametrize("application", [on_another_site], indirect=True)
def test_a_page_of_another_site_gets_no_cookie(
    application: Application, tab: Page, person_browser: BrowserContext
) -> None:
    """Although its origin is listed. The page says so, and keeps the input."""
    address = new_address()
    tab.goto(f"{application.url}/cookie.html")
    with tab.expect_response(lambda answer: answer.url.endswith(COOKIE)) as login:
        submit(tab, "Sign up", address)
    assert login.value.status == 204
    expect(tab.locator("#message")).to_contain_text("The browser refused the cookie")
    expect(tab.locator("#sign-in")).to_be_visible()
    expect(tab.get_by_label("E-mail")).to_have_value(address)
    assert person_browser.cookies() == []


def test_several_tabs_share_a_session(
    application: Application, tab: Page, person_browser: BrowserContext
) -> None:
    address = new_address()
    tab.goto(application.url)
    submit(tab, "Sign up", address)
    expect_signed_in(tab, address)
    other = person_browser.new_page()
    other.goto(application.url)
    expect_signed_in(other, address)
    refreshed: list[str] = []
    person_browser.on("request", lambda sent: refreshed.append(refresh_token(sent)))
    for _ in range(2):
        tab.wait_for_timeout(1_100)
        for one in (tab, other) * 3:
            one.evaluate("() => { dispatchEvent(new Event('pageshow')); }")
    tab.wait_for_timeout(500)
    for one in (tab, other):
        expect_signed_in(one, address)
        expect(one.locator("#message")).to_be_empty()
    tokens = list(filter(None, refreshed))
    assert len(tokens) == len(set(tokens))
    assert bool(tokens) is not application.has_cookie
    other.get_by_label("New password").fill("short")
    other.get_by_role("button", name="Change").click()
    expect(other.locator("#message")).to_contain_text("at least 8")
    tab.get_by_role("button", name="Sign out").click()
    expect_signed_out(tab, address)
    expect_signed_out(other, address)
    expect(other.locator("#message")).to_be_empty()
    submit(tab, "Sign in", address)
    expect_signed_in(other, address)


def refresh_token(sent: Request) -> str:
    """Return the body of a refresh; empty for another request."""
    return sent.post_data or "" if sent.url.endswith("/auth/jwt/refresh") else ""


def test_the_back_button_shows_nothing_private(
    application: Application, tab: Page, person_browser: BrowserContext
) -> None:
    address = new_address()
    tab.add_init_script("addEventListener('pageshow', (e) => { window.restored = e.persisted; })")
    tab.goto(application.url)
    submit(tab, "Sign up", address)
    expect_signed_in(tab, address)
    tab.goto(f"{application.url}/elsewhere.html")
    other = person_browser.new_page()
    other.goto(application.url)
    expect_signed_in(other, address)
    other.get_by_role("button", name="Sign out").click()
    expect_signed_out(other, address)
    tab.go_back(wait_until="commit")
    expect_signed_out(tab, address)


def test_a_session_that_ended_elsewhere_shows_the_sign_in(
    application: Application, tab: Page
) -> None:
    address = new_address()
    tab.goto(application.url)
    submit(tab, "Sign up", address)
    expect_signed_in(tab, address)
    end_sessions(application.service, address)
    tab.get_by_label("New password").fill(f"{PASSWORD}!")
    tab.get_by_role("button", name="Change").click()
    expect_signed_out(tab, address)
    expect(tab.locator("#message")).to_have_text("You were signed out. Sign in again.")
    submit(tab, "Sign in", address)
    expect_signed_in(tab, address)
    end_sessions(application.service, address)
    tab.get_by_role("button", name="Sign out").click()
    expect_signed_out(tab, address)
    expect(tab.locator("#message")).to_be_empty()


def end_sessions(service: Service, address: str) -> None:
    """End all sessions of an account but the one that this opens."""
    elsewhere = bearer(service.try_login(address, PASSWORD).json()["access_token"])
    assert service.client.delete("/users/me/sessions", headers=elsewhere).status_code == 204


@pytest.mark.parametrize("word", [COOKIE, BEARER])
def test_an_answer_of_the_proxy_says_that_keystead_does_not_answer(
    tab: Page, tmp_path: Path, word: str
) -> None:
    port = free_port()
    with behind_nginx(tmp_path, port, f"http://127.0.0.1:{free_port()}", word):
        tab.goto(f"http://127.0.0.1:{port}")
        submit(tab, "Sign in", new_address())
        expect(tab.locator("#message")).to_have_text("Keystead does not answer. Try again later.")


def test_the_content_security_policy_lets_only_the_moved_script_run(
    tab: Page, tmp_path: Path
) -> None:
    (policy,) = re.findall(r"`Content-Security-Policy: (.+?)`", PAGE.read_text())
    (tag,) = re.findall(r"`(<script .+? src=.+?>)`", PAGE.read_text())
    port, address = free_port(), new_address()
    url = f"http://localhost:{port}"
    with over_tcp(tmp_path, origins=url) as service:
        keystead = str(service.client.base_url).rstrip("/")
        inline = at(html_with(BEARER), keystead)
        html, script = inline.split('<script type="module">')
        contents = {"/": f"{html}{tag}</script>", "/inline.html": inline}
        contents["/app.js"] = script.replace("</script>", "")
        assert "https://id.example.org" in policy
        with site(port, contents, policy.replace("https://id.example.org", keystead)):
            with tab.expect_console_message(lambda said: "inline script" in said.text):
                tab.goto(f"{url}/inline.html")
            expect(tab.locator("#sign-in")).to_be_hidden()
            tab.goto(url)
            submit(tab, "Sign up", address)
            expect_signed_in(tab, address)


@pytest.mark.parametrize("application", [on_the_same_origin, on_another_origin], indirect=True)
def test_the_back_button_shows_no_answer_of_keystead(
    application: Application, tab: Page, person_browser: BrowserContext
) -> None:
    address = new_address()
    tab.goto(application.url)
    submit(tab, "Sign up", address)
    expect_signed_in(tab, address)
    other = person_browser.new_page()
    other.goto(application.me)
    assert address in other.content()
    other.goto(f"{application.url}/elsewhere.html")
    tab.get_by_role("button", name="Sign out").click()
    expect_signed_out(tab, address)
    other.go_back(wait_until="commit")
    expect(other.locator("body")).to_contain_text("Unauthorized")
    assert address not in other.content()
