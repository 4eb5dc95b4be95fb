"""Settings from Secrets Manager: read at the start, and again after a change."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from app.settings import secrets_manager
from app.settings.model import Settings
from app.settings.secrets_manager import Unreadable
from tests import databases
from tests.aws.artifact import ROOT
from tests.aws.emulator import Emulator, FunctionError
from tests.aws.guest import guest
from tests.aws.secrets import SecretsManager, arn
from tests.aws.service import the_artifact
from tests.aws.test_sandbox import ask, cut, log_in, register
from tests.databases import database_url
from tests.databases.server import OwnServer
from tests.service import SECRET, make_environment, new_address, run_command

APPLICATION, DATABASE = arn("application"), arn("database")


@pytest.fixture
def manager() -> Iterator[SecretsManager]:
    with SecretsManager() as running:
        running.secrets[APPLICATION] = json.dumps(
            {"secret_key": SECRET, "strange": {"a": 1}, "tick_seconds": "nonsense"}
        )
        yield running


@contextmanager
def sandbox(folder: Path, variables: Mapping[str, str], **options: object) -> Iterator[Emulator]:
    environment = {**make_environment(folder, tick_seconds="0"), **variables}
    del environment["KEYSTEAD_SECRET_KEY"]
    with Emulator(the_artifact(), environment, folder / "sandbox", **options) as emulator:  # type: ignore[arg-type]
        yield emulator


def test_a_process_reads_each_secret_once(desk: Path, manager: SecretsManager) -> None:
    manager.secrets[DATABASE] = json.dumps({"database_url": database_url(desk)})
    variables = {**manager.environment, "KEYSTEAD_ENVIRONMENT": "production"}
    with sandbox(desk, {**variables, "KEYSTEAD_DATABASE_URL": ""}) as emulator:
        for _ in range(20):
            assert register(emulator, new_address()).status == 201
        assert manager.reads == {APPLICATION: 1, DATABASE: 1}
        log = emulator.log.read_text()
    assert SECRET not in log
    assert database_url(desk) not in log


OFTEN = """\
import app.aws.adapter
app.aws.adapter.SECRETS_SECONDS = 0
from handler import handler
"""


def test_a_changed_secret_is_used_after_the_next_read(desk: Path, manager: SecretsManager) -> None:
    """Old sessions end, new ones work; an unavailable Secrets Manager changes nothing."""
    with sandbox(desk, manager.environment, **guest(desk, OFTEN)) as emulator:
        address = new_address()
        assert register(emulator, address).status == 201
        headers = log_in(emulator, address)
        assert ask(emulator, "GET", "/users/me", headers=headers).status == 200
        manager.failures = 100
        assert ask(emulator, "GET", "/users/me", headers=headers).status == 200
        manager.failures = 0
        # An invalid secret is not used.
        manager.secrets[APPLICATION] = json.dumps({"secret_key": "short"})
        assert ask(emulator, "GET", "/users/me", headers=headers).status == 200
        manager.secrets[APPLICATION] = json.dumps({"secret_key": SECRET[::-1]})
        assert ask(emulator, "GET", "/users/me", headers=headers).status == 401
        headers = log_in(emulator, address)
        assert ask(emulator, "GET", "/users/me", headers=headers).status == 200
        assert emulator.log.read_text().count("sandbox opened") == 2
        assert SECRET[::-1] not in emulator.log.read_text()


def test_the_previous_lifespan_is_closed(desk: Path, manager: SecretsManager) -> None:
    """At once: until the next event, possibly hours later, the process is frozen."""
    with sandbox(desk, manager.environment, **guest(desk, OFTEN)) as emulator:
        assert ask(emulator, "GET", "/health/live").status == 200
        before = opened(emulator)
        assert register(emulator, new_address()).status == 201
        assert opened(emulator) > before
        manager.secrets[APPLICATION] = json.dumps({"secret_key": SECRET[::-1]})
        with pytest.raises(FunctionError, match="neither a request of"):
            emulator.invoke({})
        assert emulator.log.read_text().count("sandbox opened") == 2
        assert opened(emulator) == before


def opened(emulator: Emulator) -> int:
    """Return the number of the function's open files and sockets."""
    return len(list(Path(f"/proc/{emulator.pid}/fd").iterdir()))


CLOCK = """\
import types
import app.aws.adapter
clock = app.aws.adapter.time = types.SimpleNamespace(time=lambda: 0)
from handler import handler as ours
def handler(event, context):
    clock.time = lambda: int(event["headers"]["second"])
    return ours(event, context)
"""


def test_secrets_are_read_every_five_minutes(desk: Path, manager: SecretsManager) -> None:
    """Every five minutes; not with each request after the first five."""
    assert "looks again every five minutes" in (ROOT / "docs" / "deploy.md").read_text()
    with sandbox(desk, manager.environment, **guest(desk, CLOCK)) as emulator:

        def reads(second: int) -> int:
            """Return the number of reads of the secret after a request at that second."""
            ask(emulator, "GET", "/health/live", headers={"second": str(second)})
            return manager.reads[APPLICATION]

        assert [reads(second) for second in (0, 299, 300, 301, 599, 600)] == [1, 1, 2, 2, 2, 3]
        manager.failures = 2  # both tries of the next read fail
        assert [reads(second) for second in (900, 901, 1_199, 1_200)] == [3, 3, 3, 4]


class Accounts:
    """A database server's user `arthur`, whose password changes."""

    def __init__(self, server: OwnServer, database: str) -> None:
        self._ask = server.ask
        self._database = database
        self._mysql = server.name != "postgres"

    def create(self, password: str) -> None:
        if self._mysql:
            self._ask(f"CREATE USER 'arthur'@'%' IDENTIFIED BY '{password}'")
            self._ask(f"GRANT ALL ON {self._database}.* TO 'arthur'@'%'")
        else:
            self._ask(f"CREATE ROLE arthur LOGIN SUPERUSER PASSWORD '{password}'")
            [(file,)] = self._ask("SHOW hba_file")
            rules = Path(file).read_text()
            Path(file).write_text(f"host all arthur all scram-sha-256\n{rules}")
            self._ask("SELECT pg_reload_conf()")

    def change(self, password: str) -> None:
        if self._mysql:
            self._ask(f"ALTER USER 'arthur'@'%' IDENTIFIED BY '{password}'")
        else:
            self._ask(f"ALTER ROLE arthur PASSWORD '{password}'")


@pytest.mark.only("postgres", "mysql", "mariadb")
def test_a_refused_database_password_is_read_again(tmp_path: Path, manager: SecretsManager) -> None:
    """As RDS does: user and password are in a secret, the address in a setting."""
    kind = databases.KINDS[databases.server().name]
    assert issubclass(kind, OwnServer)
    # A server of its own, because PostgreSQL's rules must change to require a password.
    with kind("") as server, databases.using(server):
        run_command(make_environment(tmp_path), "migrate")
        bare = make_url(database_url(tmp_path)).set(username=None, password=None)
        accounts = Accounts(server, str(bare.database))
        accounts.create("p@ss/1")
        manager.secrets[DATABASE] = json.dumps({"username": "arthur", "password": "p@ss/1"})
        variables = {**manager.environment, "KEYSTEAD_DATABASE_URL": str(bare)}
        with sandbox(tmp_path, variables) as emulator:
            assert register(emulator, new_address()).status == 201
            accounts.change("p@ss/2")
            # Open connections stay; new ones are refused.
            assert register(emulator, new_address()).status == 201
            cut(tmp_path)
            assert register(emulator, new_address()).status == 503
            manager.secrets[DATABASE] = json.dumps({"username": "arthur", "password": "p@ss/2"})
            reads = manager.reads[DATABASE]
            for _ in range(3):
                assert register(emulator, new_address()).status == 201
                cut(tmp_path)
            assert manager.reads[DATABASE] == reads + 1
            assert emulator.log.read_text().count("sandbox opened") == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("not an arn", "{}", "not the ARN of a secret"),
        ("arn:aws:s3:::bucket:secret:x", "{}", "not the ARN of a secret"),
        (DATABASE, None, "ResourceNotFoundException"),
        (DATABASE, "hidden", "not a JSON object"),
        (DATABASE, '["hidden"]', "not a JSON object"),
    ],
)
def test_a_secret_that_cannot_be_read_is_named(
    manager: SecretsManager, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    if value is not None:
        manager.secrets[name] = value
    for variable, given in {**manager.environment, "KEYSTEAD_SECRETS": name}.items():
        monkeypatch.setenv(variable, given)
    with pytest.raises(Unreadable, match=said) as raised:
        Settings(_env_file=None)
    assert name in str(raised.value)
    assert "hidden" not in str(raised.value)


def test_a_variable_and_the_first_secret_win(
    manager: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.secrets = {
        arn("1"): json.dumps({"secret_key": SECRET, "session_seconds": 60, "mail_from": "a@b.bt"}),
        arn("2"): json.dumps({"secret_key": "x", "require_verified": True, "password": "p@ss/1"}),
    }
    for variable, given in manager.environment.items():
        monkeypatch.setenv(variable, given)
    monkeypatch.setenv("KEYSTEAD_MAIL_FROM", "c@d.bt")
    monkeypatch.setenv("KEYSTEAD_DATABASE_URL", "postgresql://arthur@db.bt/keystead")
    monkeypatch.setenv("KEYSTEAD_MIGRATE_DATABASE_URL", "postgresql://arthur@past.bt/keystead")
    settings = Settings(_env_file=None)
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() == SECRET
    assert (settings.session_seconds, settings.require_verified) == (60, True)
    assert settings.migration_url == "postgresql+asyncpg://arthur:p%40ss%2F1@past.bt/keystead"
    assert settings.mail_from == "c@d.bt"
    assert settings.database_url == "postgresql+asyncpg://arthur:p%40ss%2F1@db.bt/keystead"


def test_a_file_wins_over_a_secret_that_completes_its_url(
    manager: SecretsManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    members = {"secret_key": SECRET[::-1], "username": "arthur", "password": "p@ss/1"}
    manager.secrets = {arn("1"): json.dumps(members)}
    texts = {"secret_key": SECRET, "database_url": "postgresql://db.bt/keystead"}
    for name, text in texts.items():
        (tmp_path / name).write_text(f"{text}\n")
        monkeypatch.setenv(f"KEYSTEAD_{name.upper()}_FILE", str(tmp_path / name))
    for variable, given in (manager.environment | {"KEYSTEAD_SECRETS": arn("1")}).items():
        monkeypatch.setenv(variable, given)
    settings = Settings(_env_file=None)
    assert settings.secret_keys() == [SECRET]
    assert settings.database_url == "postgresql+asyncpg://arthur:p%40ss%2F1@db.bt/keystead"
    assert settings.current_database_url() == settings.database_url


def test_secrets_listed_in_a_file_are_read(
    manager: SecretsManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """KEYSTEAD_SECRETS in .env; a line of .env wins over a member, and a variable over both."""
    members = {"secret_key": SECRET, "session_seconds": 60, "mail_from": "a@b.bt"}
    manager.secrets = {arn("1"): json.dumps(members)}
    for variable, given in manager.environment.items():
        if variable != "KEYSTEAD_SECRETS":
            monkeypatch.setenv(variable, given)
    monkeypatch.delenv("KEYSTEAD_SECRETS", raising=False)
    monkeypatch.setenv("KEYSTEAD_MAIL_FROM", "c@d.bt")
    file = tmp_path / "settings"
    file.write_text(f"KEYSTEAD_SECRETS={arn('1')}\nKEYSTEAD_SESSION_SECONDS=90\n")
    settings = Settings(_env_file=file)
    assert settings.secrets == [arn("1")]
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() == SECRET
    assert (settings.session_seconds, settings.mail_from) == (90, "c@d.bt")


def test_a_wrong_signature_is_refused(manager: SecretsManager) -> None:
    wrong = {**manager.environment, "AWS_SECRET_ACCESS_KEY": "another"}
    with pytest.raises(Unreadable, match="InvalidSignatureException"):
        secrets_manager.read(APPLICATION, wrong)
    assert secrets_manager.read(APPLICATION, manager.environment)["secret_key"] == SECRET


def test_the_endpoint_is_in_the_secrets_region() -> None:
    ask = secrets_manager.endpoint
    assert ask("aws", "us-east-1") == "https://secretsmanager.us-east-1.amazonaws.com"
    assert ask("aws-us-gov", "us-gov-west-1").endswith(".us-gov-west-1.amazonaws.com")
    assert ask("aws-cn", "cn-north-1").endswith("//secretsmanager.cn-north-1.amazonaws.com.cn")


def test_secrets_manager_is_retried_once(manager: SecretsManager) -> None:
    manager.failures = 1
    assert secrets_manager.read(APPLICATION, manager.environment)["secret_key"] == SECRET
    manager.failures = 2
    with pytest.raises(Unreadable, match="InternalServiceError"):
        secrets_manager.read(APPLICATION, manager.environment)
    assert manager.failures == 0
    with pytest.raises(Unreadable, match="does not answer"):
        secrets_manager.read(
            APPLICATION,
            {**manager.environment, "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:9"},
        )


def test_without_its_secret_a_function_does_not_serve(desk: Path, manager: SecretsManager) -> None:
    """The log names the problem, and no request is answered."""
    del manager.secrets[APPLICATION]
    variables = {
        **manager.environment,
        "KEYSTEAD_SECRETS": APPLICATION,
        "KEYSTEAD_ENVIRONMENT": "production",
    }
    with sandbox(desk, variables) as emulator:
        with pytest.raises(FunctionError, match="ResourceNotFoundException"):
            register(emulator, new_address())
        manager.secrets[APPLICATION] = json.dumps({"secret_key": SECRET})
        assert register(emulator, new_address()).status == 201
