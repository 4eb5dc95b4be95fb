"""Settings whose values are in files."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from app.settings.files import MAX_BYTES, SECRET_SETTINGS
from app.settings.model import Settings
from tests.service import SECRET, make_environment, run_command

# Independent of the database.
pytestmark = pytest.mark.only("sqlite")

PEM = (
    Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
    .strip()
)
VALUES = {
    "database_url": "sqlite+aiosqlite:///./from-a-file.db",
    "migrate_database_url": "sqlite+aiosqlite:///./from-a-file.db",
    "secret_key": SECRET,
    "signing_key": PEM,
    "mail_url": "smtp://u:p@host:25",
    "tick_token": "a-token",
    "metrics_token": "another-token",
    "service_token": "a-third-token",
}


def give(monkeypatch: pytest.MonkeyPatch, path: Path, name: str = "secret_key") -> str:
    """Name `path` in the variable of the setting; return the variable."""
    variable = f"KEYSTEAD_{name.upper()}_FILE"
    monkeypatch.setenv(variable, str(path))
    return variable


def shown(value: object) -> object:
    """Return a setting's value as text: of a list, its only member."""
    value = value[0] if isinstance(value, list) else value
    return value.get_secret_value() if isinstance(value, SecretStr) else value


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("name", SECRET_SETTINGS)
def test_a_file_gives_the_setting_without_the_newline_at_its_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, end: str
) -> None:
    (folder / "value").write_bytes(f"{VALUES[name]}{end}".encode())
    give(monkeypatch, folder / "value", name)
    assert shown(getattr(Settings(_env_file=None), name)) == VALUES[name]


def test_the_file_may_be_named_in_env_and_be_a_link(folder: Path) -> None:
    (folder / "value").write_text(SECRET)
    (folder / "link").symlink_to("value")
    (folder / ".env").write_text("KEYSTEAD_SECRET_KEY_FILE=link\n")
    assert shown(Settings().secret_key) == SECRET


def test_production_starts_with_the_key_of_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "value").write_text(SECRET)
    give(monkeypatch, folder / "value")
    assert Settings(_env_file=None, environment="production").secret_keys() == [SECRET]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"k" * (MAX_BYTES + 1), None])
def test_a_file_without_a_text_is_refused_by_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    if content is not None:
        (folder / "value").write_bytes(content)
    variable = give(monkeypatch, folder / "value")
    with pytest.raises(ValueError, match=variable) as refused:
        Settings(_env_file=None)
    assert str(folder / "value") in str(refused.value)


def test_what_is_no_regular_file_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "pipe")
    for path in (folder, folder / "pipe"):
        variable = give(monkeypatch, path)
        with pytest.raises(ValueError, match=f"{variable}: .* is not a regular file"):
            Settings(_env_file=None)


def test_a_path_too_long_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = give(monkeypatch, folder / ("n" * 300))
    with pytest.raises(ValueError, match=f"{variable}: cannot read"):
        Settings(_env_file=None)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        *((name, f"KEYSTEAD_{name.upper()}") for name in SECRET_SETTINGS),
        ("database_url", "DATABASE_URL"),
    ],
)
@pytest.mark.parametrize("in_file", [True, False])
def test_a_setting_that_is_given_twice_is_refused_naming_both(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, other: str, in_file: bool
) -> None:
    (folder / "value").write_text(VALUES[name])
    variable = give(monkeypatch, folder / "value", name)
    if in_file:
        (folder / ".env").write_text(f"{other}={VALUES[name]}\n")
    else:
        monkeypatch.setenv(other, VALUES[name])
    with pytest.raises(ValueError, match=f"{variable} and {other} are both set"):
        Settings()


def test_an_empty_variable_is_not_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYSTEAD_SECRET_KEY_FILE", "")
    assert Settings(_env_file=None).secret_key is None
    (folder / "value").write_text(SECRET)
    give(monkeypatch, folder / "value")
    monkeypatch.setenv("KEYSTEAD_SECRET_KEY", "")
    assert shown(Settings(_env_file=None).secret_key) == SECRET


def test_the_command_names_the_file_and_not_the_value(folder: Path) -> None:
    environment = make_environment(folder, secret_key="", secret_key_file=str(folder / "value"))
    said = run_command(environment, "check", code=1)
    assert "KEYSTEAD_SECRET_KEY_FILE: cannot read" in " ".join(said.split())
    (folder / "value").write_text("hush hush")
    said = run_command(environment, "check", code=1)
    assert "KEYSTEAD_SECRET_KEY" in said
    assert "hush" not in said
    (folder / "value").write_text(SECRET)
    assert "is no setting" not in run_command(environment, "check", code=1)


def test_the_documentation_names_them(folder: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    for name in SECRET_SETTINGS:
        assert f"`KEYSTEAD_{name.upper()}_FILE`" in page
