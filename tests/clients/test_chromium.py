"""A client made from the OpenAPI document works in a page, with the session's cookie."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, Request

from tests.browser.chromium import chromium
from tests.browser.sites import site
from tests.clients.tools import TYPESCRIPT, run
from tests.databases.server import free_port
from tests.service import PASSWORD, new_address, over_tcp

pytestmark = [pytest.mark.only("sqlite"), pytest.mark.timeout(300)]

# openapi-fetch is one ES module: a page loads it without a bundler.
INDEX = """<!doctype html>
<title>Typed</title>
<script type="importmap">{"imports": {"openapi-fetch": "/openapi-fetch.mjs"}}</script>
"""
FOR_PAGES = ["--lib", "es2022,dom", "--typeRoots", "none"]
"""Without the globals of Node."""


def call(tab: Page, function: str, *arguments: str) -> None:
    """Call a function of scripts/in_page.ts in the page; raise its error."""
    script = f"async (given) => (await import('/in_page.js')).{function}(...given)"
    tab.evaluate(script, list(arguments))


def test_typescript_in_chromium_keeps_the_session_in_the_cookie(
    typescript_folder: Path, tmp_path: Path
) -> None:
    """On a listed origin of the same site, and across a reload, which empties JavaScript."""
    folder, port, address = typescript_folder, free_port(), new_address()
    run("node_modules/.bin/tsc", *TYPESCRIPT, *FOR_PAGES, "in_page.ts", folder=folder)
    library = folder / "node_modules/openapi-fetch/dist/index.mjs"
    contents = {
        "/": INDEX,
        "/in_page.js": (folder / "in_page.js").read_text(),
        "/openapi-fetch.mjs": library.read_text(),
    }
    origin, requests = f"http://127.0.0.1:{port}", list[Request]()
    with (
        over_tcp(tmp_path, origins=origin) as service,
        site(port, contents),
        chromium(tmp_path, "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1") as browser,
        browser.new_context() as context,
    ):
        keystead = str(service.client.base_url).rstrip("/")
        context.on("request", lambda request: requests.append(request))
        tab = context.new_page()
        tab.goto(origin)
        call(tab, "signUp", keystead, address, PASSWORD)
        (cookie,) = context.cookies()
        assert cookie["httpOnly"]
        tab.reload()
        assert tab.evaluate("document.cookie") == ""
        assert context.storage_state()["origins"] == []
        call(tab, "changeAndSignOut", keystead, address, f"{PASSWORD}!")
        assert context.cookies() == []
        sent = [request for request in requests if request.url.startswith(keystead)]
        assert sent
        assert not any("authorization" in request.headers for request in sent)
