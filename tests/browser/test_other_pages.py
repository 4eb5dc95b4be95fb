"""Pages of others, in the browser of a person who is signed in, read and change nothing.

On another site, and on the same one: another port of the host, that is not listed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response

from tests.browser.sites import Redirect, site
from tests.databases.server import free_port
from tests.service import PASSWORD, Account, Service, over_tcp

pytestmark = pytest.mark.only("sqlite")

SAME_SITE, ANOTHER_SITE = "127.0.0.1", "localhost"
LOGOUT, LOGIN = "/auth/cookie/logout", "/auth/cookie/login"


@dataclass
class World:
    """A Keystead, and pages of others at `port`."""

    service: Service
    port: int
    attacker: Account

    @property
    def keystead(self) -> str:
        return str(self.service.client.base_url).rstrip("/")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    port, listed = free_port(), free_port()
    origins = f"http://127.0.0.1:{listed}"
    with over_tcp(tmp_path_factory.mktemp("service"), origins=origins) as service:
        world = World(service, port, service.register())
        redirect = Redirect(world.keystead + LOGOUT)
        blank = "<!doctype html><body></body>"
        with site(port, {"/": blank, "/redirect": redirect}), site(listed, {"/": blank}):
            yield world


@pytest.fixture(scope="module")
def victim(world: World, browser: Browser) -> Iterator[BrowserContext]:
    """The browser of a person who is signed in with the cookie."""
    with browser.new_context() as context:
        person = world.service.register()
        form = {"username": person.email, "password": PASSWORD}
        own = {"Sec-Fetch-Site": "same-origin"}
        answer = context.request.post(world.keystead + LOGIN, form=form, headers=own)
        assert answer.status == 204
        yield context


@pytest.fixture(params=[SAME_SITE, ANOTHER_SITE])
def host(request: pytest.FixtureRequest) -> str:
    """The host of another's page."""
    name: str = request.param
    return name


@pytest.fixture
def tab(world: World, victim: BrowserContext, host: str) -> Iterator[Page]:
    """A tab in which a person visits another's page; nothing of theirs changes."""
    client = world.service.client
    before = victim.request.get(f"{world.keystead}/users/me").json()
    with victim.new_page() as tab:
        tab.goto(f"http://{host}:{world.port}/")
        yield tab
    assert victim.request.get(f"{world.keystead}/users/me").json() == before
    elsewhere = world.service.login(Account(before["id"], before["email"]))
    page = client.get("/users/me/sessions", headers=elsewhere).json()
    assert [one["transport"] for one in page["items"]].count("cookie") == 1
    assert client.post("/auth/jwt/logout", headers=elsewhere).status_code == 204


def form(action: str, more: str = "", fields: str = "") -> str:
    return f"<form method='post' action='{action}' {more}>{fields}</form>"


# {logout} and {login} are their URLs, {fields} those of the attacker's own account.
FORMS = {
    "urlencoded": form("{logout}"),
    "text": form("{logout}", "enctype='text/plain'", "<input name='{{' value='}}'>"),
    "multipart": form("{logout}", "enctype='multipart/form-data'", "<input name='a' value='b'>"),
    "without a referrer": "<meta name='referrer' content='no-referrer'>" + form("{logout}"),
    "redirected": form("/redirect"),
    "in a sandbox": "<iframe sandbox='allow-forms allow-scripts allow-top-navigation' srcdoc=\""
    + form("{logout}", "target='_top'")
    + '<script>document.forms[0].submit()</script>"></iframe>',
    "another's log-in": form("{login}", "", "{fields}"),
}


def submit(tab: Page, world: World, html: str) -> Response:
    """Submit a form, and return Keystead's answer."""
    account = {"username": world.attacker.email, "password": world.attacker.password}
    fields = "".join(f"<input name='{name}' value='{value}'>" for name, value in account.items())
    keystead = world.keystead
    here = html.format(logout=keystead + LOGOUT, login=keystead + LOGIN, fields=fields)
    with tab.expect_response(lambda answer: is_post(answer, world)) as caught:
        tab.evaluate(
            """(html) => {
                document.body.innerHTML = html;
                setTimeout(() => document.querySelector("form")?.submit());
            }""",
            here,
        )
    tab.wait_for_url(f"{world.keystead}/**")
    return caught.value


def is_post(answer: Response, world: World) -> bool:
    method: str = answer.request.method
    url: str = answer.url
    return method == "POST" and url.startswith(world.keystead)


@pytest.mark.parametrize("name", FORMS)
def test_a_form(world: World, tab: Page, host: str, name: str) -> None:
    answer = submit(tab, world, FORMS[name])
    # Without the cookie, which browsers keep to the site, there is nothing to log out.
    is_without = host == ANOTHER_SITE or "sandbox" in name
    refused = 401 if is_without and "log-in" not in name else 403
    assert answer.status == refused
    # Reloaded by the person, it is still another's request.
    with tab.expect_response(lambda answer: is_post(answer, world)) as caught:
        tab.reload()
    assert caught.value.status == refused


SIMPLE: dict[str, dict[str, Any]] = {
    "no-cors": {"mode": "no-cors"},
    "no-cors text": {"mode": "no-cors", "headers": {"Content-Type": "text/plain"}, "body": "{}"},
    "after the page": {"mode": "no-cors", "keepalive": True},
}


@pytest.mark.parametrize("name", [*SIMPLE, "beacon"])
def test_a_script_without_a_preflight(world: World, tab: Page, host: str, name: str) -> None:
    with tab.expect_response(lambda answer: is_post(answer, world)) as caught:
        tab.evaluate(
            """([url, options]) => options
                ? fetch(url, { method: "POST", credentials: "include", ...options }).catch(() => 0)
                : navigator.sendBeacon(url)""",
            [world.keystead + LOGOUT, SIMPLE.get(name)],
        )
    assert caught.value.status == (403 if host == SAME_SITE else 401)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/users/me", '{"password": "a new password"}'),
        ("DELETE", "/users/me/sessions", None),
        ("POST", LOGOUT, "{}"),
        ("GET", "/users/me", None),
    ],
)
def test_a_script_with_a_preflight_is_not_sent(
    world: World, tab: Page, host: str, method: str, path: str, body: str | None
) -> None:
    sent: list[str] = []
    tab.on("response", lambda answer: sent.append(answer.request.method))
    answer = tab.evaluate(
        """([url, method, body]) => fetch(url, {
            method, body, credentials: "include",
            headers: { "Content-Type": "application/json", "X-Own": "1" },
        }).then((answer) => answer.status, (error) => error.message)""",
        [world.keystead + path, method, body],
    )
    assert answer == "Failed to fetch"
    assert set(sent) <= {"OPTIONS"}


READS = {
    "cors": """fetch(url, { credentials: "include" }).then((answer) => answer.text())""",
    "no-cors": """fetch(url, { credentials: "include", mode: "no-cors" })
        .then((answer) => answer.text())""",
    "a frame": """new Promise((done, fail) => {
        const frame = Object.assign(document.createElement("iframe"), { src: url });
        frame.onload = () => { try { done(frame.contentDocument.body.textContent); }
            catch (error) { fail(error); } };
        document.body.append(frame);
    })""",
    "a script": """new Promise((done, fail) => {
        const script = Object.assign(document.createElement("script"), { src: url });
        Object.assign(script, { onload: () => done("loaded"), onerror: () => fail(new Error()) });
        document.body.append(script);
    })""",
    "a window": """new Promise((done, fail) => {
        const other = open(url);
        setTimeout(() => {
            try { done(other.document.body.textContent); } catch (error) { fail(error); }
        }, 500);
    })""",
}


@pytest.mark.parametrize("name", READS)
def test_nothing_is_read(world: World, tab: Page, host: str, name: str) -> None:
    said = tab.evaluate(
        f"(url) => ({READS[name]}).catch((error) => `refused: ${{error.message}}`)",
        f"{world.keystead}/users/me",
    )
    assert said == "" or said.startswith("refused")
