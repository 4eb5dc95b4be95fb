"""Runs the commands of a page, and compares their output with the page's."""

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2

from tests.databases.server import free_port

ROOT = Path(__file__).parent.parent.parent
END = "the end of one command"


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def steps(block: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with the output that the page shows."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def normalise(text: str, port: int) -> str:
    """Return `text` without the parts that differ from run to run."""
    text = text.replace(f"127.0.0.1:{port}", "127.0.0.1:8080")
    text = re.sub(r"(eyJ|kr_)[\w.…-]+", "TOKEN", text)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
    text = re.sub(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME", text)
    text = re.sub(r'"(x|kid)":"[\w.…-]+"', r'"\1":"KEY"', text)
    text = re.sub(r'"(iat|exp)":\d+', r'"\1":TIME', text)
    text = re.sub(r"to \d{4} in \d+\.\d s", "to HEAD in N s", text)
    return text.strip()


class Shell:
    """A bash in `folder`, and the server that the page's first command starts there."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.port = free_port()
        self._folder = folder
        self._environment = dict(environment)
        self._bash = self._open(["bash"])

    def _open(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def serve(self, command: str, lines: int) -> str:
        """Start a server with `command`, wait until it is ready; return its first `lines` lines."""
        self._server = self._open(["bash", "-c", f"exec env {command} --port {self.port}"])
        output = self._server.stdout
        assert output is not None
        said = "".join(output.readline() for _ in range(lines))
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                httpx2.get(f"http://127.0.0.1:{self.port}/health/ready").raise_for_status()
                break
            except httpx2.HTTPError:
                time.sleep(0.1)
        return said

    def run(self, command: str) -> str:
        """Run one command and return its output."""
        stdin, stdout = self._bash.stdin, self._bash.stdout
        assert stdin is not None
        assert stdout is not None
        command = command.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        if command.startswith(("sed", "TOKEN=")):
            self._wait_for_mail()
        stdin.write(f"{command}\necho; echo {END}\n")
        stdin.flush()
        return "".join(iter(stdout.readline, f"{END}\n"))

    def mailed_token(self) -> str:
        """Return the token of the newest mail that has one; wait for it."""
        deadline = time.monotonic() + 30
        while True:
            mails = sorted(self._folder.glob("var/mail/*.eml"))
            lines = [line for path in mails for line in path.read_text().splitlines()]
            if tokens := [line for line in lines if line.startswith("eyJ")]:
                return tokens[-1]
            assert time.monotonic() < deadline, "no mail with a token has come"
            time.sleep(0.05)

    def remove_mail(self) -> None:
        for path in self._folder.glob("var/mail/*.eml"):
            path.unlink()

    def _wait_for_mail(self) -> None:
        """Wait for a mail, as a person who types the next command does."""
        deadline = time.monotonic() + 30
        while not list(self._folder.glob("var/mail/*.eml")):
            assert time.monotonic() < deadline, "no mail has come"
            time.sleep(0.05)

    def close(self) -> None:
        self._bash.communicate()
        self._server.terminate()
        self._server.communicate(timeout=30)
