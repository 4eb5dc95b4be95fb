"""Settings: invalid values are refused, and each is documented."""

import re
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings.model import Settings
from tests.service import SECRET, make_environment, run_command, settings_from

# Independent of the database.
pytestmark = pytest.mark.only("sqlite")

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.mark.parametrize("secret", ["", "short"])
@pytest.mark.parametrize("command", ["serve", "check"])
def test_production_refuses_to_start_without_a_secret(
    folder: Path, command: str, secret: str
) -> None:
    environment = make_environment(folder, environment="production", secret_key=secret)
    said = run_command(environment, command, code=1)
    assert "KEYSTEAD_SECRET_KEY" in said
    assert "Traceback" not in said
    assert not (folder / "var").exists()


def test_a_wrong_secret_is_not_shown(folder: Path) -> None:
    environment = make_environment(folder, secret_key="hush hush", tick_seconds="often")
    said = run_command(environment, "check", code=1)
    assert "KEYSTEAD_TICK_SECONDS" in said
    assert "hush" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "oracle://host/name"),
        ("database_url", "nonsense"),
        ("database_url", "sqlite://"),
        ("database_url", "postgresql://u:p@host:54a2/name"),
        ("database_url", "postgresql+psycopg://u:p@host/name"),
        ("database_url", "postgresql://u:p@host/name?sslmode=verify_everything"),
        ("database_url", "postgresql://u:p@host/name?sslrootcert=/nowhere/ca.pem"),
        ("database_url", "postgresql://u:p@host/name?charset=utf8mb4"),
        ("database_url", "mysql://u:p@host/name?ssl-mode=VERIFY_CA&ssl-ca=/nowhere/ca.pem"),
        ("database_url", "mysql://u:p@host/name?application_name=keystead"),
        ("database_url", "sqlite:///./k.db?sslmode=require"),
        ("database_pooler", "statement"),
        ("database_url", "mysql://u:p@h1,h2/name"),
        ("migrate_database_url", "postgresql://u:p@/name"),
        ("session_seconds", "1000000000000"),
        ("database_url", "postgresql://u:p#w@host/name"),
        ("database_url", "postgresql://u:p/w@host/name"),
        ("database_url", "postgresql://u:p?w@host/name"),
        ("database_url", "postgresql://u:p@w@host/name"),
        ("database_url", "postgresql://u:p%w@host/name"),
        ("database_url", "mysql://u:p w@host/name"),
        ("database_url", "postgresql://u:p@/name"),
        ("database_url", "postgresql://host:99999/name"),
        ("database_url", "postgresql://host/"),
        ("database_url", "postgresql://host/a/name"),
        ("database_url", "postgresql://host/name#x"),
        ("database_url", "'postgresql://host/name'"),
        ("base_url", "https://id.camelot.bt/?x"),
        ("base_url", "https://id.camelot.bt/#x"),
        ("base_url", "https://u:p@id.camelot.bt"),
        ("audience", "https://one.camelot.bt,https://two.camelot.bt"),
        ("audience", "two words"),
        ("secret_key", f"two {SECRET}"),
        ("secret_key", f'"{SECRET}"'),
        ("secret_key", f"{SECRET}\n{SECRET}"),
        ("secret_key", f"{SECRET},two {SECRET}"),
        ("secret_key", f"{SECRET}\u200b"),
        ("tick_token", "two words"),
        ("tick_token", "tökën"),
        ("tick_token", "'quoted'"),
        ("metrics_token", "one,two words"),
        ("mail_url", "smtp://u:p#w@host"),
        ("mail_url", "smtp://u:12#w@host:25"),
        ("mail_url", "smtp://u:1/2@host"),
        ("mail_url", "smtp://u:p@w@host"),
        ("mail_url", "smtp://u:p%w@host"),
        ("mail_url", "smtp://host/inbox"),
        ("mail_from", "nobody"),
        ("mail_from", "'\"Example\" <a@b.bt>'"),
        ("mail_from", "A, B <a@b.bt>"),
        ("mail_from", "a@b.bt, c@d.bt"),
        ("mail_from", "Ex@mple <a@b.bt>"),
        ("mail_url", "file:"),
        ("mail_url", "smtp://u:p/ss@host"),
        ("mail_url", "smtp://[::1"),
        ("mail_url", "pigeon://coop"),
        ("mail_url", "smtp://host:port"),
        ("mail_url", "smtp://host:99999"),
        ("mail_url", "smtps://"),
        ("base_url", "not a URL"),
        ("tick_seconds", "-1"),
        ("environment", "staging"),
        ("password_min_length", "0"),
        ("log_level", "LOUD"),
    ],
)
def test_invalid_values_name_their_setting(folder: Path, name: str, value: str) -> None:
    said = run_command(make_environment(folder, **{name: value}), "check", code=1)
    assert f"KEYSTEAD_{name.upper()}" in said
    assert "Traceback" not in said
    # Refused as a setting, not by what it was used for.
    assert re.search(rf"(^keystead: |; )KEYSTEAD_{name.upper()}(\.\d)?: ", " ".join(said.split()))


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:///./k.db", "sqlite+aiosqlite:///./k.db"),
        ("postgres://u:p@h/n", "postgresql+asyncpg://u:p@h/n"),
        ("postgresql://u:p@h/n", "postgresql+asyncpg://u:p@h/n"),
        ("mysql://u:p@h/n", "mysql+aiomysql://u:p@h/n"),
        ("mariadb://u:p@h/n", "mariadb+aiomysql://u:p@h/n"),
        ("postgresql+asyncpg://u:p@h/n", "postgresql+asyncpg://u:p@h/n"),
    ],
)
def test_database_urls_get_their_driver(
    monkeypatch: pytest.MonkeyPatch, given: str, used: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    assert Settings(_env_file=None).database_url == used
    monkeypatch.setenv("KEYSTEAD_DATABASE_URL", "sqlite:///./own.db")
    assert Settings(_env_file=None).database_url == "sqlite+aiosqlite:///./own.db"


@pytest.mark.parametrize(("driver", "extra"), [("asyncpg", "postgres"), ("aiomysql", "mysql")])
def test_a_driver_that_is_missing_is_named_with_its_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch, driver: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)  # as if it were not installed
    scheme = {"asyncpg": "postgres", "aiomysql": "mariadb"}[driver]
    environment = make_environment(folder, database_url=f"{scheme}://u:hush@host/name")
    said = run_command(environment, "check", code=1)
    assert f"pip install '.[{extra}]'" in said
    assert "hush" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("between", [",", " , ", ",\n"])
def test_two_secret_keys(between: str) -> None:
    settings = Settings(_env_file=None, secret_key=f"{SECRET}{between}{SECRET[::-1]},")
    assert settings.secret_keys() == [SECRET, SECRET[::-1]]


@pytest.mark.parametrize("keys", [",", f"{SECRET},short", f"short,{SECRET}"])
def test_each_secret_key_is_long_enough(keys: str) -> None:
    with pytest.raises(ValidationError, match="KEYSTEAD_SECRET_KEY: at least 32 characters"):
        Settings(_env_file=None, secret_key=keys)


def test_two_tick_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYSTEAD_TICK_TOKEN", "new, old,")
    tokens = Settings(_env_file=None).tick_token
    assert [token.get_secret_value() for token in tokens] == ["new", "old"]


def test_development_makes_one_secret_however_many_start(folder: Path) -> None:
    settings = Settings(_env_file=None)
    with ThreadPoolExecutor(16) as threads:
        keys = set(threads.map(lambda _: settings.secret_keys()[0], range(64)))
    assert len(keys) == 1
    assert len(keys.pop()) >= 32
    files = list((folder / "var").iterdir())
    assert [path.name for path in files] == ["secret"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_a_given_secret_is_used_and_none_is_made(folder: Path) -> None:
    assert Settings(_env_file=None, secret_key=SECRET).secret_keys() == [SECRET]
    assert not (folder / "var").exists()


def test_production_without_a_secret_is_refused() -> None:
    with pytest.raises(ValidationError, match="KEYSTEAD_SECRET_KEY"):
        Settings(_env_file=None, environment="production")


@pytest.mark.parametrize(
    ("url", "environment", "is_named"),
    [
        ("http://id.camelot.bt", "production", True),
        ("http://id.camelot.bt", "development", False),
        ("https://id.camelot.bt", "production", False),
        ("http://127.0.0.1:8080", "production", False),
        ("http://[::1]:8080", "production", False),
    ],
)
def test_an_address_without_tls_is_reported_in_production(
    folder: Path, url: str, environment: str, is_named: bool
) -> None:
    given = {"mail_url": "file:mail", "mail_from": "a@camelot.bt", "base_url": url}
    settings = settings_from(make_environment(folder, environment=environment, **given))
    assert ("https" in (settings.half_configured() or "")) == is_named


def test_the_documentation_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", DOCS.read_text(), re.MULTILINE)
    documented = {name: (default, text) for name, default, text in rows}
    expected = {
        str(field.validation_alias) if name == "lambda_function" else f"KEYSTEAD_{name.upper()}": (
            shown(field.default),
            field.description,
        )
        for name, field in Settings.model_fields.items()
    }
    assert documented == expected


def shown(default: object) -> str:
    """Format a default as the table does."""
    if default is None or default == []:
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_a_secret_file_that_holds_none_is_refused(folder: Path) -> None:
    (folder / "var").mkdir()
    (folder / "var" / "secret").write_text("")
    environment = make_environment(folder, secret_key="")
    assert "holds no secret" in run_command(environment, "check", code=1)


def test_a_pooler_is_for_postgresql_and_migrations_for_the_same_kind_of_database() -> None:
    with pytest.raises(ValidationError, match="KEYSTEAD_DATABASE_POOLER is for PostgreSQL"):
        Settings(_env_file=None, database_url="sqlite:///./k.db", database_pooler="transaction")
    with pytest.raises(ValidationError, match="another database than postgresql"):
        Settings(
            _env_file=None,
            database_url="postgresql://u:p@pooler/k",
            database_pooler="transaction",
            migrate_database_url="mysql://u:p@host/k",
        )


def test_argon2_needs_memory_for_each_lane(folder: Path) -> None:
    environment = make_environment(folder, argon2_parallelism="16")
    assert "KEYSTEAD_ARGON2_MEMORY_KIB" in run_command(environment, "check", code=1)


@pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\t", "\u00a0"])
def test_white_space_around_a_text_is_no_part_of_it(end: str) -> None:
    """A file or an editor adds it: hosts with and without it must accept each other's tokens."""
    texts = {
        "secret_key": SECRET,
        "tick_token": "a-token",
        "mail_from": "Example <a@b.bt>",
        "mail_url": "smtp://u:p@host:25",
        "base_url": "https://id.camelot.bt",
        "database_url": "sqlite:///./k.db",
        "environment": "production",
    }
    plain = Settings(_env_file=None, **texts)  # type: ignore[arg-type]
    for given in (
        {name: text + end for name, text in texts.items()},
        {name: f"\ufeff{end}{text}" for name, text in texts.items()},
    ):
        assert Settings(_env_file=None, **given) == plain  # type: ignore[arg-type]


def test_the_character_to_write_is_named_and_the_password_is_not(folder: Path) -> None:
    for name in ("database_url", "mail_url"):
        scheme = {"database_url": "postgresql", "mail_url": "smtp"}[name]
        for character, code in {"#": "%23", "/": "%2F", "?": "%3F", "@": "%40", "%": "%25"}.items():
            url = f"{scheme}://u:hush{character}hush@host/name"
            said = run_command(make_environment(folder, **{name: url}), "check", code=1)
            assert f"KEYSTEAD_{name.upper()}" in said
            assert code in said
            assert "hush" not in said


@pytest.mark.parametrize(
    "sender", ["a@b.bt", '"Example" <a@b.bt>', "St. Mary <a@b.bt>", "Ταβέρνα <a@b.bt>"]
)
def test_senders(sender: str) -> None:
    assert Settings(_env_file=None, mail_from=sender).mail_from == sender
