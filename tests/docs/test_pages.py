"""README.md, docs/http.md and docs/services.md, command by command, for a new user."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.docs.console import ROOT, Shell, blocks, normalise, steps
from tests.docs.powershell import AGENTS, PowerShell
from tests.service import SERVICE_TOKEN, TICK_TOKEN, get

pytestmark = pytest.mark.only("sqlite")

README, HTTP, SERVICES, TICK = (
    ROOT / name for name in ("README.md", "docs/http.md", "docs/services.md", "docs/tick.md")
)
KEPT = ("PATH", "PIP_CERT", "PIP_CONFIG_FILE", "PIP_INDEX_URL", "LANG")


def copy_project(folder: Path) -> Path:
    """Copy the project's files of the working tree to `folder`, and return it."""
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    for name in filter(None, map(os.fsdecode, files)):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "keystead").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A copy of the project's files and an empty home, with the server of README's first block."""
    folder = copy_project(tmp_path_factory.mktemp("keystead"))
    home = tmp_path_factory.mktemp("home")
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    # Modules that no command imports need no bytecode.
    kept |= {"HOME": str(home), "PIP_NO_COMPILE": "1"}
    kept |= {"KEYSTEAD_TICK_TOKEN": TICK_TOKEN, "KEYSTEAD_SERVICE_TOKEN": SERVICE_TOKEN}
    shell = Shell(folder, kept)
    try:
        ((command, output),) = steps(blocks(README, "console")[0])
        said = shell.serve(command, lines=len(output.splitlines()))
        assert normalise(said, shell.port) == normalise(output, shell.port)
        yield shell
    finally:
        shell.close()


@pytest.fixture(scope="module")
def follow(shell: Shell) -> Callable[[Path], None]:
    """Run the commands of a page, once: pages build on each other."""
    done: set[Path] = set()

    def follow_once(page: Path) -> None:
        if page not in done:
            done.add(page)
            run_every_command(shell, page)

    return follow_once


def run_every_command(shell: Shell, page: Path) -> None:
    shown = blocks(page, "console")[1 if page == README else 0 :]
    assert len(shown) > 5
    for block in shown:
        for command, output in steps(block):
            said = shell.run(command)
            if command.endswith("tick --job count"):
                # The server runs the job too, perhaps this very second. Its count is the time's.
                said = shell.run(command) if "│ running │" in said else said
                assert re.search(r"│ (done|replayed) +│ \{'count': \d+\}", said)
            else:
                assert normalise(said, shell.port) == normalise(output, shell.port), command


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", [README, HTTP, SERVICES], ids=lambda page: page.name)
def test_every_command_prints_what_the_page_shows(
    follow: Callable[[Path], None], page: Path
) -> None:
    follow(page)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", AGENTS)
def test_every_powershell_command_asks_for_the_same(
    shell: Shell, follow: Callable[[Path], None], version: str
) -> None:
    follow(HTTP)
    paths = get(f"http://127.0.0.1:{shell.port}/openapi.json").json()["paths"]
    powershell = windows(shell, version, HTTP)
    for section in re.split(r"^## ", HTTP.read_text(), flags=re.MULTILINE)[1:]:
        calls = list(curl_requests(section))
        (block,) = re.findall(r"^```powershell\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
        answers = list(powershell.run(renamed(block, version)))
        assert answers, section
        for answer in answers:
            assert not calls or (answer.method, shape(answer.path)) in calls, answer
            assert str(answer.status) in documented(paths, answer.method, answer.path), answer


def windows(shell: Shell, version: str, page: Path) -> PowerShell:
    """Return a PowerShell of `version`, which knows the commands of the page that are no calls."""
    assert "function Read-Token" in blocks(page, "powershell")[0]
    commands: dict[str, Callable[[], str | None]] = {
        "Read-Token": shell.mailed_token,
        "Remove-Item var\\mail\\*.eml": shell.remove_mail,
    }
    for command in re.findall(
        r"^\.venv\\Scripts\\python -m app (user .*)$", page.read_text(), re.M
    ):
        here = renamed(command, version)
        commands[f".venv\\Scripts\\python -m app {here}"] = partial(shell.run, f"./keystead {here}")
    return PowerShell(version, shell.port, commands, {"KEYSTEAD_TICK_TOKEN": TICK_TOKEN})


def renamed(text: str, version: str) -> str:
    """Return `text` with accounts of their own for a version: both run on one server."""
    renamed = text.replace("127.0.0.1:8080", "127.0.0.1")
    for name in ("queen", "page", "archy", "second"):
        renamed = re.sub(rf"\b{name}(?=@|\")", f"{name}-{version}", renamed)
    return renamed


def curl_requests(section: str) -> Iterator[tuple[str, str]]:
    """Yield method and path of each curl command in a section."""
    for command in re.findall(r"^\$ curl .*$", section, re.MULTILINE):
        method = re.search(r" -X (\w+)", command)
        found = re.search(r"127\.0\.0\.1:8080(/[^\s\"?]*)", command)
        assert found is not None
        yield method.group(1) if method else "GET", shape(found.group(1))


def shape(path: str) -> str:
    """Return `path` with {id} for an account's id."""
    return re.sub(r"(\$\w+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$", "{id}", path)


def documented(paths: dict[str, Any], method: str, path: str) -> set[str]:
    """Return the documented answers of a request."""
    return set(paths[shape(path)][method.lower()]["responses"])


def test_the_page_of_jobs_adds_one_that_works(tmp_path: Path) -> None:
    """The page's steps are done in a copy, with this interpreter and no install."""
    folder = copy_project(tmp_path / "keystead")
    code, listed, *_ = blocks(TICK, "python")
    (folder / "app/users/census.py").write_text(code)
    jobs = folder / "app/jobs.py"
    first = "from app.users.census import census\n\n" + "".join(listed.splitlines(True)[:2])
    jobs.write_text(jobs.read_text().replace("JOBS = (\n", first))
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(folder)}

    def run(arguments: list[str]) -> str:
        command = [sys.executable, "-m", "app", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(["migrate"])
    shown = [step for block in blocks(TICK, "console") for step in steps(block)]
    assert len(shown) == 3
    for command, output in shown:
        assert plain(run(command.split()[1:])) == plain(output), command


def plain(text: str) -> str:
    """Return a table without times and column widths."""
    return re.sub(r"[ ─━]+|\d[\de.-]* s\b", " ", normalise(text, 8080))


def test_texts_of_people_are_encoded_in_forms_and_queries() -> None:
    """A + in an address would be a blank, a & in a password the end of it."""
    names = "(username|password|email|token|q)="
    raw = re.compile(rf"""(-d|--data\S*) ['"]?([^'"{{\s]*&)?{names}|[?&]{names}""")
    encoded = 0
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for command in re.findall(r"^.*\bcurl\b.*$", page.read_text(), re.MULTILINE):
            plain = re.sub("--data-urlencode ['\"]?", "--encoded ", command)
            assert not raw.search(plain), (page.name, command)
            encoded += plain != command
    assert encoded >= 5


def test_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), (page, link)
