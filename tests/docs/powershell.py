"""The PowerShell commands of a page, sent as Windows PowerShell 5.1 and PowerShell 7 send them.

PowerShell does not run on the machines of the tests. The requests are written from its source, the
web cmdlets of github.com/PowerShell/PowerShell, and from .NET's documentation.
"""

import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPResponse
from typing import Any
from urllib.parse import quote_plus, urlsplit

AGENTS = {
    "5.1": "Mozilla/5.0 (Windows NT; Windows NT 10.0; ru-RU) WindowsPowerShell/5.1.19041.5247",
    "7": "Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.19045; ru-RU) PowerShell/7.4.6",
}
CAUGHT = re.compile(r"try \{ (.*) \} catch \{ \$_\.ErrorDetails\.Message \}")
ASSIGNED = re.compile(r"\$(\w+) = (.*)")
MEMBER_OF_CALL = re.compile(r"\((Invoke-.*)\)\.(\w+)")
MEMBER = re.compile(r"\$(\w+)\.(\w+)")
VALUE = r"\"(?:[^\"`]|`.)*\"|'[^']*'|\$(?:env:)?\w+|[\w.:/$-]+"
TABLE = r"@\{[^}]*\}"
OPTION = re.compile(rf" -(\w+)(?: (\({TABLE} \| ConvertTo-Json\)|{TABLE}|{VALUE}))?")
PAIR = re.compile(rf"(\"[\w-]+\"|\w+) ?= ?({VALUE})")
SECONDS = 30


@dataclass
class Answer:
    """The answer to one command."""

    method: str
    path: str
    status: int
    text: str

    @property
    def json(self) -> Any:
        """The value of a JSON text; None for an empty one."""
        return json.loads(self.text) if self.text else None


@dataclass
class PowerShell:
    """Runs the commands that the pages use: web requests, variables, and a few named others."""

    version: str
    port: int
    commands: Mapping[str, Callable[[], str | None]]
    """Commands that send no request, by how they begin. Each returns its output."""
    environment: Mapping[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)

    def run(self, block: str) -> Iterator[Answer]:
        """Run a block, and yield the answers. A request that fails uncaught fails the test."""
        for line in statements(block):
            assigned = ASSIGNED.fullmatch(line)
            value, answer = self._evaluate(assigned.group(2) if assigned else line)
            if assigned:
                self.variables[assigned.group(1)] = value
            if answer is not None:
                yield answer

    def _evaluate(self, text: str) -> tuple[Any, Answer | None]:
        if caught := CAUGHT.fullmatch(text):
            answer = self._send(caught.group(1))
            assert answer.status >= 400, text
            return answer.text, answer
        if "Invoke-" in text:
            member = MEMBER_OF_CALL.fullmatch(text)
            answer = self._send(member.group(1) if member else text)
            assert answer.status < 400, (text, answer.text)
            return answer.json[member.group(2)] if member else answer.json, answer
        if member := MEMBER.fullmatch(text):
            return self.variables[member.group(1)][member.group(2)], None
        for beginning, work in self.commands.items():
            if text.startswith(beginning):
                return work(), None
        return self._value(text), None

    def _value(self, text: str) -> str:
        """Return the value of a string or a variable; a variable that is not set fails."""
        if text.startswith("'"):
            return text.strip("'")
        if text in ("$true", "$false"):
            return text[1:].capitalize()
        text = re.sub(r"\$env:(\w+)", lambda name: self.environment[name.group(1)], text)
        plain = text[1:-1] if text.startswith('"') else text
        filled = re.sub(r"\$(\w+)", lambda name: str(self.variables[name.group(1)]), plain)
        return re.sub(r"`(.)", r"\1", filled)

    def _pairs(self, table: str) -> dict[str, str]:
        return {name.strip('"'): self._value(value) for name, value in PAIR.findall(table)}

    def _send(self, command: str) -> Answer:
        name, *_ = command.split(" ", 1)
        assert name in ("Invoke-RestMethod", "Invoke-WebRequest"), command
        options = {found[1]: found[2] for found in OPTION.finditer(command)}
        assert OPTION.sub("", command) == name, OPTION.sub("", command)
        method = options.get("Method", "GET")
        headers = self._pairs(options.get("Headers", ""))
        if "ContentType" in options:
            headers["Content-Type"] = self._value(options["ContentType"])
        body = self._body(options["Body"], headers) if "Body" in options else b""
        kind_given = any(given.lower() == "content-type" for given in headers)
        if method == "POST" and not kind_given:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        url = urlsplit(self._value(options["Uri"]))
        path = f"{url.path}?{url.query}" if url.query else url.path
        status, text = self._exchange(method, path, headers, body)
        return Answer(method, url.path, status, text)

    def _body(self, text: str, headers: Mapping[str, str]) -> bytes:
        """Return a body: a table is a form, ConvertTo-Json has the layout of its version."""
        # Without a charset, 5.1 and early versions of 7 encode to ISO-8859-1.
        utf8 = "charset=utf-8" in " ".join(headers.values())
        if not text.startswith(("(@{", "@{")):
            return self._value(text).encode("utf-8" if utf8 else "latin-1")
        pairs = PAIR.findall(text)
        if text.startswith("@{"):
            form = self._pairs(text)
            return "&".join(f"{name}={quote_plus(value)}" for name, value in form.items()).encode()
        indent, colon = ("    ", ":  ") if self.version == "5.1" else ("  ", ": ")
        lines = []
        for name, value in pairs:
            spelt = self._value(value)
            json_value = spelt.lower() if value in ("$true", "$false") else f'"{spelt}"'
            lines.append(f'{indent}"{name}"{colon}{json_value}')
        return ("{\r\n" + ",\r\n".join(lines) + "\r\n}").encode("utf-8" if utf8 else "latin-1")

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str]:
        head = "\r\n".join(
            [f"{method} {path} HTTP/1.1", *self._lines(method, headers, len(body)), "", ""]
        ).encode()
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as peer:
            peer.sendall(head)
            if b"100-continue" not in head or peer.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 100":
                peer.sendall(body)
            response = HTTPResponse(peer, method=method)
            response.begin()
            return response.status, response.read().decode()

    def _lines(self, method: str, headers: Mapping[str, str], length: int) -> list[str]:
        host = f"Host: 127.0.0.1:{self.port}"
        agent = f"User-Agent: {AGENTS[self.version]}"
        given = [f"{name}: {value}" for name, value in headers.items()]
        has_length = method != "GET"
        size = [f"Content-Length: {length}"] if has_length else []
        if self.version == "7":
            return [host, agent, "Accept-Encoding: gzip, deflate, br", *given, *size]
        # .NET Framework sends the body when the server has said 100, or after 350 ms. The cmdlet
        # switches this off for the later requests of a process; here each one asks.
        expect = ["Expect: 100-continue"] if length else []
        return [agent, *given, host, *size, *expect, "Connection: Keep-Alive"]


def statements(block: str) -> Iterator[str]:
    """Yield the statements of a block, a line each; a function's definition is left out."""
    without = re.sub(r"^function .*?^\}\n", "", block, flags=re.DOTALL | re.MULTILINE)
    yield from filter(None, without.splitlines())
