"""Web servers for pages: those of docs/browser.md, and those of attackers."""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.docs.console import ROOT, blocks

PAGE = ROOT / "docs/browser.md"
KEYSTEAD = "http://127.0.0.1:8080"
"""Keystead's address in the page's blocks."""
APPLICATION = "127.0.0.1:5173"


@dataclass(frozen=True)
class Redirect:
    """Answers each method with 307, which keeps the method and the body."""

    url: str


@dataclass(frozen=True)
class SetCookie:
    """Answers with a blank page and a cookie: a line of ISO 8859-1, sent as it is."""

    line: str


def html_with(word: str) -> str:
    """Return the page's HTML block that has `word` in it."""
    (found,) = (block for block in blocks(PAGE, "html") if word in block)
    return found


def at(block: str, keystead: str) -> str:
    """Return an HTML block for Keystead at `keystead`, a URL or a path."""
    here, edits = re.subn(rf'(const KEYSTEAD = )"{KEYSTEAD}"', rf'\1"{keystead}"', block)
    assert edits == 1
    return here


@contextmanager
def site(
    port: int, contents: Mapping[str, str | Redirect | SetCookie], policy: str = ""
) -> Iterator[None]:
    """Serve `contents`, HTML or JavaScript by its path, on a port of 127.0.0.1.

    `policy` is the Content-Security-Policy of each answer.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            content = contents.get(path)
            if isinstance(content, Redirect):
                self.send_response(307)
                self.send_header("Location", content.url)
            else:
                self.send_response(404 if content is None else 200)
                kind = "javascript" if path.endswith((".js", ".mjs")) else "html"
                self.send_header("Content-Type", f"text/{kind}; charset=utf-8")
            if policy:
                self.send_header("Content-Security-Policy", policy)
            if isinstance(content, SetCookie):
                self.send_header("Set-Cookie", content.line)
            body = content.encode() if isinstance(content, str) else b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
