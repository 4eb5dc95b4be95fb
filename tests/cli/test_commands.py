"""The `keystead` command, as an operator calls it."""

import importlib.metadata
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest

from app.schema.revisions import ROOT, head
from app.settings.model import Settings
from tests.databases import copy_database, in_database
from tests.service import (
    JOB_NAMES,
    PASSWORD,
    SECRET,
    in_process,
    make_environment,
    over_tcp,
    run_command,
)


@pytest.fixture
def environment(settings: Settings, folder: Path) -> dict[str, str]:
    """The environment of a Keystead with a migrated, empty database."""
    return make_environment(folder)


@pytest.fixture(scope="module")
def queen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Keystead with two superusers."""
    environment = make_environment(tmp_path_factory.mktemp("queen"))
    run_command(environment, "migrate")
    for name in ("guinevere", "arthur"):
        create(environment, f"{name}@camelot.bt", "--superuser")
    return environment


def create(environment: dict[str, str], address: str, *flags: str, code: int = 0) -> str:
    arguments = ["user", "create", address, "--password-stdin", *flags]
    return run_command(environment, *arguments, stdin=f"{PASSWORD}\n", code=code)


@pytest.mark.only("sqlite")
def test_without_arguments_the_help_is_printed(folder: Path) -> None:
    said = run_command(make_environment(folder), code=2)
    for command in ("serve", "migrate", "user", "tick", "check"):
        assert command in said


def test_migrate_prints_its_result(folder: Path) -> None:
    environment = make_environment(folder)
    assert f"migrated from nothing to {head()}" in run_command(environment, "migrate")
    assert "nothing to migrate" in run_command(environment, "migrate")
    assert "CREATE TABLE" in run_command(environment, "migrate", "--sql")
    assert "no revision 'nowhere'" in run_command(environment, "migrate", "nowhere", code=1)


def test_migrate_stops_at_the_given_revision(folder: Path) -> None:
    environment = make_environment(folder)
    assert "to 0002" in run_command(environment, "migrate", "0002")
    said = run_command(environment, "user", "list", code=1)
    assert f"revision 0002, this code needs {head()}: run `keystead migrate`" in said
    assert "0002" in run_command(environment, "check", code=1)


@pytest.mark.parametrize("command", [["user", "list"], ["tick"], ["check"]])
def test_an_unmigrated_database_is_reported(folder: Path, command: list[str]) -> None:
    said = run_command(make_environment(folder), *command, code=1)
    assert "keystead migrate" in " ".join(said.split())
    assert "Traceback" not in said


@pytest.mark.only("sqlite")
def test_names_are_not_taken_for_markup(tmp_path: Path) -> None:
    home = tmp_path / ":key: [red]"
    home.touch()
    environment = make_environment(tmp_path, database_url=f"sqlite:///{home}/k.db")
    assert str(home) in run_command(environment, "user", "list", code=1)


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("command", [["user", "list"], ["tick"], ["check"], ["migrate"]])
def test_an_unreachable_database_is_reported(folder: Path, command: list[str]) -> None:
    environment = make_environment(folder, database_url="postgresql://u:hush@127.0.0.1:1/name")
    said = run_command(environment, *command, code=1)
    assert "database" in said
    assert "Traceback" not in said
    assert "hush" not in said


def test_the_life_of_an_account(queen: dict[str, str]) -> None:
    address = "lancelot@camelot.bt"
    assert "Created lancelot@camelot.bt:" in create(queen, address)
    assert "there is an account" in create(queen, address.upper(), code=1)
    for command, flags in {
        "promote": "active, superuser, verified",
        "demote": "active, verified",
        "deactivate": "verified",
        "activate": "active, verified",
        "sign-out": "active, verified",
    }.items():
        run_command(queen, "user", command, address.upper())
        said = run_command(queen, "user", "list", "lance")
        assert "│ lancelot@camelot.bt " in said
        assert f"│ {flags} " in said


def test_the_last_superuser_stays(queen: dict[str, str]) -> None:
    run_command(queen, "user", "demote", "arthur@camelot.bt")
    for command in ("demote", "deactivate"):
        said = run_command(queen, "user", command, "guinevere@camelot.bt", code=1)
        assert "last active superuser: promote another first" in said
    run_command(queen, "user", "promote", "arthur@camelot.bt")


def test_wrong_arguments_are_explained(environment: dict[str, str]) -> None:
    assert "no account for nobody@camelot.bt" in run_command(
        environment, "user", "promote", "nobody@camelot.bt", code=1
    )
    assert "not an e-mail address" in create(environment, "nonsense", code=1)
    arguments = ["user", "create", "a@camelot.bt", "--password-stdin"]
    assert "at least 8" in run_command(environment, *arguments, stdin="short\n", code=1)
    said = run_command(environment, "tick", "--job", "conquer", code=1)
    assert f"no such job; there are {', '.join(JOB_NAMES)}" in " ".join(said.split())
    assert "ISO 8601" in run_command(environment, "tick", "--at", "noon", code=2)
    said = run_command(environment, "tick", "--at", "2026-01-01T00:00:00", code=2)
    assert "give an offset, such as Z" in said
    said = run_command(environment, "tick", "--at", "2999-01-01T00:00:00Z", code=1)
    assert "--at is before 1970, or further ahead" in said


def test_the_address_is_validated_before_the_password_prompt(environment: dict[str, str]) -> None:
    said = run_command(environment, "user", "create", "nonsense", code=1)
    assert "not an e-mail address" in said
    said = run_command(environment, "user", "create", "a@camelot.bt", code=1)
    assert "--password-stdin" in said


def test_tick(environment: dict[str, str], folder: Path) -> None:
    said = run_command(environment, "tick", "--job", "count", "--at", "2026-01-01T00:00:07Z")
    assert "2026-01-01T00:00:00Z" in said
    assert "done" in said
    assert "{'count': 1}" in said
    said = run_command(environment, "tick", "--job", "count", "--at", "2026-01-01T00:00:09+00:00")
    assert "replayed" in said
    said = run_command(environment, "tick")
    for job in JOB_NAMES:
        assert f"│ {job} " in said


def test_tick_help_names_its_options_and_commands(environment: dict[str, str]) -> None:
    said = run_command(environment, "tick", "--help")
    for word in ("--job", "--at", "status", "history", "retry"):
        assert word in said


def test_tick_options_are_refused_before_a_command(environment: dict[str, str]) -> None:
    said = run_command(environment, "tick", "--job", "count", "status", code=2)
    assert "--job and --at are for `tick` without a command" in said


def test_tick_status_and_history(environment: dict[str, str], folder: Path) -> None:
    said = run_command(environment, "tick", "status")
    assert said.count("│ new ") == len(JOB_NAMES)
    run_command(environment, "tick", "--job", "count", "--at", "2026-01-01T00:00:00Z")
    in_database(folder, "ALTER TABLE tick_counter RENAME COLUMN value TO elsewhere")
    run_command(environment, "tick", "--job", "count", "--at", "2026-01-01T00:00:10Z", code=1)
    said = run_command(environment, "tick", "status")
    assert "failing, late" in said
    assert "2026-01-01T00:00:10Z failed" in said
    said = run_command(environment, "tick", "history", "count")
    assert said.index("2026-01-01T00:00:10Z") < said.index("2026-01-01T00:00:00Z")
    assert "{'count': 1}" in said
    assert "elsewhere" not in said
    assert "value" in said
    assert "2026-01-01" not in run_command(environment, "tick", "history", "count", "--dead")
    assert "no such job" in run_command(environment, "tick", "history", "conquer", code=1)


def test_tick_retry(environment: dict[str, str], folder: Path) -> None:
    at = "2026-01-01T00:00:00Z"
    assert "never began" in run_command(environment, "tick", "retry", "count", at, code=1)
    in_database(folder, "ALTER TABLE tick_counter RENAME COLUMN value TO elsewhere")
    run_command(environment, "tick", "--job", "count", "--at", at, code=1)
    assert "failed again" in run_command(environment, "tick", "retry", "count", at, code=1)
    assert at in run_command(environment, "tick", "history", "count", "--dead")
    in_database(folder, "ALTER TABLE tick_counter RENAME COLUMN elsewhere TO value")
    assert "{'count': 1}" in run_command(environment, "tick", "retry", "count", at)
    assert "replayed" in run_command(environment, "tick", "retry", "count", at)
    assert at not in run_command(environment, "tick", "history", "count", "--dead")
    assert "no such job" in run_command(environment, "tick", "retry", "conquer", at, code=1)
    assert "ISO 8601" in run_command(environment, "tick", "retry", "count", "noon", code=2)


def test_a_failing_job_fails_the_command(environment: dict[str, str], folder: Path) -> None:
    in_database(folder, "ALTER TABLE tick_counter RENAME COLUMN value TO elsewhere")
    said = run_command(environment, "tick", "--job", "count", code=1)
    assert "failed" in said
    assert "value" in said


def test_check_finds_no_problem(environment: dict[str, str]) -> None:
    said = run_command(environment, "check")
    assert said.count("ok") == 4


def test_check_names_problems_and_remedies(folder: Path, environment: dict[str, str]) -> None:
    broken = environment | {"KEYSTEAD_MAIL_URL": "smtp://127.0.0.1:1"}
    said = " ".join(run_command(broken, "check", code=1).replace("│", "").split())
    assert "KEYSTEAD_MAIL_URL" in said
    production = environment | {"KEYSTEAD_ENVIRONMENT": "production"}
    said = run_command(production, "check", code=1)
    assert "KEYSTEAD_BASE_URL" in said
    address = {"KEYSTEAD_BASE_URL": "http://id.camelot.bt", "KEYSTEAD_MAIL_FROM": "a@camelot.bt"}
    said = run_command(production | address, "check", code=1)
    assert "KEYSTEAD_BASE_URL begins with http:" in said
    (folder / "file").write_text("")
    broken = environment | {"KEYSTEAD_MAIL_URL": f"file:{folder}/file"}
    assert "cannot write" in run_command(broken, "check", code=1)


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("command", [["check"], ["migrate"], ["user", "list"]])
def test_a_file_that_cannot_be_opened_is_named(folder: Path, command: list[str]) -> None:
    (folder / "var").write_text("")
    (folder / "folder").mkdir()
    for name, named in (("var/keystead.db", "var"), ("folder", "folder")):
        environment = make_environment(folder, database_url=f"sqlite:///./{name}")
        said = " ".join(run_command(environment, *command, code=1).replace("│", "").split())
        assert str(folder / named) in said.replace(" ", "")
        assert "Traceback" not in said
        assert "`keystead check`" not in said


@pytest.mark.only("sqlite")
def test_created_folders_are_private(folder: Path) -> None:
    settings = {"database_url": "sqlite:///./var/deep/keystead.db", "mail_url": "file:./mail"}
    environment = make_environment(folder) | {
        f"KEYSTEAD_{name.upper()}": value for name, value in settings.items()
    }
    run_command(environment, "migrate")
    run_command(environment, "check")
    for made in ("var", "var/deep", "mail"):
        assert stat.S_IMODE((folder / made).stat().st_mode) == 0o700


@pytest.mark.only("sqlite")
def test_created_files_are_private_in_a_folder_that_is_not(folder: Path) -> None:
    """Of the database, its lock and its mail; the umask is the usual one."""
    place = folder / "mail"
    place.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        with in_process(folder, database_url=f"sqlite+aiosqlite:///{place}/app.db") as service:
            service.letter(service.register().email)
            made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()}
    finally:
        os.umask(before)
    assert {"app.db", "app.db-wal", "app.db-shm", "app.db.migrate.lock"} < made.keys()
    assert set(made.values()) == {0o600}


@pytest.mark.only("sqlite")
def test_a_misspelt_setting_is_named_with_the_right_one(
    folder: Path, environment: dict[str, str]
) -> None:
    (folder / ".env").write_text("KEYSTEAD_BASEURL=https://id.camelot.bt\nKEYSTEAD_XYZZY=1\n")
    broken = environment | {"KEYSTEAD_DATABSE_URL": "hush"}
    said = " ".join(run_command(broken, "check", code=1).replace("│", "").split())
    assert "KEYSTEAD_DATABSE_URL is no setting: KEYSTEAD_DATABASE_URL?" in said
    assert "KEYSTEAD_BASEURL is no setting: KEYSTEAD_BASE_URL?" in said
    assert "KEYSTEAD_XYZZY is no setting" in said
    assert "hush" not in said


@pytest.mark.only("sqlite")
def test_the_version_is_the_packages(folder: Path) -> None:
    expected = f"keystead {importlib.metadata.version('keystead')}, schema {head()}\n"
    assert run_command(make_environment(folder), "--version") == expected


@pytest.mark.only("sqlite")
def test_a_folder_that_cannot_be_written_is_named_with_remedies(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Not even root can make a folder there."""
    monkeypatch.chdir("/sys")
    environment = {
        name: value
        for name, value in make_environment(folder).items()
        if not name.startswith("KEYSTEAD_")
    }
    for command in (["serve"], ["migrate"], ["check"], ["user", "list"]):
        said = run_command(environment, *command, code=1)
        assert said.startswith("keystead: /sys/var: ")
        assert "Start in a folder that this user may write, or name places" in said
        assert "KEYSTEAD_DATABASE_URL" in said


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("link", ["absolute", "relative", "of a link"])
def test_the_checkouts_command_runs_through_a_link(tmp_path: Path, link: str) -> None:
    checkout, bin_folder = tmp_path / "a checkout", tmp_path / "bin"
    for folder in (checkout / ".venv" / "bin", checkout / "requirements", bin_folder):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "keystead", checkout)
    for part in ("app", "migrations"):
        (checkout / part).symlink_to(ROOT / part)
    for installed in ("requirements/app.txt", ".venv/keystead-requirements.txt"):
        (checkout / installed).write_text("the same")
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o700)
    command = bin_folder / "keystead"
    if link == "of a link":
        (bin_folder / "first").symlink_to("../a checkout/keystead")
        command.symlink_to(bin_folder / "first")
    else:
        command.symlink_to(
            checkout / "keystead" if link == "absolute" else "../a checkout/keystead"
        )
    path = f"{bin_folder}:{os.environ['PATH']}"
    done = subprocess.run(
        ["keystead", "--version"],
        cwd="/",
        env={"PATH": path, "CDPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("keystead 0."), done.stderr


def test_an_account_is_shown_changed_and_deleted(tmp_path: Path) -> None:
    with in_process(tmp_path) as service:
        set_password = ("user", "set-password", "--password-stdin")
        person, superuser = service.register(), service.superuser()
        headers = service.login(person)
        said = " ".join(service.command("user", "show", person.email).replace("│", " ").split())
        for part in (f"id {person.id}", f"email {person.email}", "is_active True", "sessions 1"):
            assert part in said
        for who in (person.email, person.id):
            done = service.command(*set_password, who, stdin="camelot 2\n")
            # The server in this process logs its deliveries beside.
            ended = f"{person.email} has another password, all sessions ended"
            assert done.splitlines()[-1] == ended
        assert service.client.get("/users/me", headers=headers).status_code == 401
        assert service.try_login(person.email, "camelot 2").status_code == 200
        refused = service.command(*set_password, person.id, stdin="x\n", code=1)
        assert refused.splitlines()[-1].startswith("keystead: ")
        assert "8 characters" in refused
        assert "--yes" in service.command("user", "delete", person.id, code=1)
        said = service.command("user", "delete", person.id, "--yes")
        assert said.splitlines()[-1] == f"Deleted {person.email}"
        for command in ("show", "sign-out", "promote"):
            assert "there is no account" in service.command("user", command, person.id, code=1)
        refused = service.command("user", "delete", superuser.email, "--yes", code=1)
        assert "last active superuser" in refused


KINDS = {"secret": "EdDSA", "ed25519": "EdDSA", "p256": "ES256", "rsa": "RS256"}


def keys_of(said: str) -> list[list[str]]:
    """Return the rows of `keystead keys list`: id, algorithm, setting, use."""
    return [re.findall(r"[^ │]+", line) for line in said.splitlines() if line.startswith("│")]


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_key_of_each_kind_signs(folder: Path, kind: str) -> None:
    environment = make_environment(folder)
    [derived] = keys_of(run_command(environment, "keys", "list"))
    made = run_command(environment, "keys", "new", kind)
    assert made != run_command(environment, "keys", "new", kind)
    setting = "SECRET_KEY" if kind == "secret" else "SIGNING_KEY"
    said = run_command(environment | {f"KEYSTEAD_{setting}": made}, "keys", "list")
    first, *others = keys_of(said)
    assert first[1:] == [KINDS[kind], setting, "signs"]
    assert first[0] != derived[0]
    assert others == ([] if kind == "secret" else [[*derived[:3], "verifies"]])
    assert max(map(len, said.splitlines())) <= 80
    for line in made.splitlines():
        assert line not in said


@pytest.mark.only("sqlite")
def test_a_new_key_is_a_secret_by_default(folder: Path) -> None:
    made = run_command(make_environment(folder), "keys", "new").strip()
    assert len(made) == 64
    assert "," not in made


@pytest.mark.only("sqlite")
def test_an_unknown_kind_of_key_is_refused(folder: Path) -> None:
    said = run_command(make_environment(folder), "keys", "new", "dsa", code=2)
    for kind in KINDS:
        assert f"'{kind}'" in said


@pytest.mark.only("sqlite")
def test_the_list_of_keys_has_those_that_others_see(tmp_path: Path) -> None:
    """First the signing keys, then those of the secrets, each once and in order."""
    pem = run_command({}, "keys", "new", "p256")
    with in_process(tmp_path, secret_key=f"{SECRET},{SECRET[::-1]}", signing_key=pem) as service:
        listed = keys_of(service.command("keys", "list"))
        published = service.client.get("/.well-known/jwks.json").json()["keys"]
        token = service.login(service.register())["Authorization"].removeprefix("Bearer ")
    assert [key[0] for key in listed] == [key["kid"] for key in published]
    assert [key[1] for key in listed] == [key["alg"] for key in published]
    assert [key[2] for key in listed] == ["SIGNING_KEY", "SECRET_KEY", "SECRET_KEY"]
    assert [key[3] for key in listed] == ["signs", "verifies", "verifies"]
    assert jwt.get_unverified_header(token)["kid"] == listed[0][0]


@pytest.mark.only("sqlite")
def test_an_exported_key_signs_as_before(folder: Path) -> None:
    environment = make_environment(folder, secret_key=f"{SECRET},{SECRET[::-1]}")
    ids = [key[0] for key in keys_of(run_command(environment, "keys", "list"))]
    first = run_command(environment, "keys", "export")
    assert first == run_command(environment, "keys", "export", ids[0])
    second = run_command(environment, "keys", "export", ids[1])
    rotated = environment | {"KEYSTEAD_SIGNING_KEY": second + first}
    listed = keys_of(run_command(rotated, "keys", "list"))
    assert [key[0] for key in listed] == ids[::-1]
    assert [key[2] for key in listed] == ["SIGNING_KEY", "SIGNING_KEY"]
    said = run_command(environment, "keys", "export", "other", code=1)
    assert "there is no key other: `keystead keys list` shows the ids" in said


@pytest.mark.only("sqlite")
def test_an_id_with_a_hyphen_in_front_is_no_option(folder: Path) -> None:
    environment = make_environment(folder, secret_key=f"{'k' * 32}135")
    [[key_id, *_]] = keys_of(run_command(environment, "keys", "list"))
    assert key_id.startswith("-")
    assert "PRIVATE KEY" in run_command(environment, "keys", "export", key_id)


@pytest.mark.only("sqlite")
def test_the_console_script_is_installed(folder: Path) -> None:
    script = Path(sys.executable).with_name("keystead")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "Usage: keystead" in done.stdout


@pytest.mark.only("sqlite")
def test_serve_in_an_empty_folder_migrates_first_and_links_to_its_address(tmp_path: Path) -> None:
    with over_tcp(tmp_path) as service:
        letter = service.letter(service.register().email).as_string()
    said = (tmp_path / "log").read_text()
    assert f"migrated from nothing to {head()}" in said
    address = str(service.client.base_url).rstrip("/")
    assert f"Keystead: {address}" in said
    assert f"{address}/verify?token=" in letter
    assert "Traceback" not in said


@pytest.mark.only("sqlite")
def test_a_port_in_use_is_reported_before_the_migration(folder: Path) -> None:
    environment = make_environment(folder)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = run_command(environment, "serve", "--port", port, code=1)
    assert said == f"keystead: port {port} is in use; choose another with --port\n"


@pytest.mark.only("sqlite")
def test_serve_warns_of_defaults_in_production(tmp_path: Path) -> None:
    url = "smtp://arthur:hush@127.0.0.1:1"
    with over_tcp(tmp_path, environment="production", mail_url=url):
        pass
    said = (tmp_path / "log").read_text()
    assert said.count("production with the default of KEYSTEAD_BASE_URL, KEYSTEAD_MAIL_FROM:") == 1
    assert "Mail goes to smtp://127.0.0.1:1\n" in said
    assert "hush" not in said


@pytest.mark.only("sqlite")
def test_the_base_url_in_a_file_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("KEYSTEAD_BASE_URL=https://id.camelot.bt\n")
    with over_tcp(tmp_path) as service:
        letter = service.letter(service.register().email).as_string()
    assert "https://id.camelot.bt/verify?token=" in letter


def test_the_schema_of_a_newer_release_is_served_and_not_migrated(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """This release serves on the newer schema, and does not change it."""
    in_database(tmp_path, "UPDATE keystead_version SET version_num = '9999'")
    assert "a newer one migrated it" in run_command(environment, "migrate", code=1)
    with over_tcp(tmp_path) as service:
        assert service.client.get("/health/ready").status_code == 200
        service.register()
    assert "revision 9999, newer than this release's" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["user", "list", "\udcff"],
        ["user", "list", "--limit", "99999999999999999999"],
        ["user", "promote", "\udcff@camelot.bt"],
        ["user", "promote", "a\0b"],
        ["migrate", ""],
        ["tick", "--job", ""],
        ["tick", "--job", "\udcff"],
    ],
)
def test_invalid_arguments_print_no_traceback(
    environment: dict[str, str], arguments: list[str]
) -> None:
    for code in (0, 1, 2):
        try:
            said = run_command(environment, *arguments, code=code)
            break
        except AssertionError as other:
            said = str(other)
    assert "Traceback" not in said


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("arguments", [["migrate"], ["check"], ["user", "list"], ["tick"]])
def test_a_command_builds_its_settings_once(
    folder: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """`migrate` on an empty database."""
    if arguments != ["migrate"]:
        copy_database(migrated, folder)
    built = []
    build = Settings.__init__

    def count(self: Settings, **values: Any) -> None:
        built.append(self)
        build(self, **values)

    monkeypatch.setattr(Settings, "__init__", count)
    run_command(make_environment(folder), *arguments)
    assert len(built) == 1


COUNTING = """\
import os, sys
from app.settings.model import Settings

build = Settings.__init__

def count(self, *arguments, **named):
    with open("built", "a") as file:
        print(os.getpid(), file=file)
    build(self, *arguments, **named)

Settings.__init__ = count
sys.argv = ["keystead", *sys.argv[1:]]
from app.cli.main import main
main()
"""


@pytest.mark.only("sqlite")
def test_serve_builds_its_settings_once_in_a_process(tmp_path: Path) -> None:
    """On an empty database, which it migrates."""
    arguments = ["serve", "--port", "0"]
    command = [sys.executable, "-c", COUNTING, *arguments]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=make_environment(tmp_path) | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "Application startup complete" in line:
                break
        process.terminate()
        said += process.communicate(timeout=60)[0]
    assert (tmp_path / "built").read_text().split() == [str(process.pid)], said
