"""Settings whose values are in files: secrets of containers, and systemd's credentials."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_settings import EnvSettingsSource

from app.settings.derived_source import DerivedSource

SECRET_SETTINGS = (
    "database_url",
    "migrate_database_url",
    "secret_key",
    "signing_key",
    "mail_url",
    "tick_token",
    "metrics_token",
    "service_token",
)
"""The settings that `KEYSTEAD_<NAME>_FILE` may give: those that hold a key or a password."""

MAX_BYTES = 65_536


class FilesSource(DerivedSource):
    """The settings whose file a variable or a line of `.env` names: KEYSTEAD_SECRET_KEY_FILE."""

    def __call__(self) -> dict[str, Any]:
        """Return the settings by their variables' names.

        Raises ValueError, which names the variable and never the value, for a file that cannot be
        read and for a setting that is given twice.
        """
        given = self._given()
        found = {}
        for name in SECRET_SETTINGS:
            variable = f"{self.config['env_prefix']}{name}_file".upper()
            path = given.get(variable.lower())
            if not path:
                continue
            alias = self.settings_cls.model_fields[name].validation_alias
            names = getattr(alias, "choices", [variable.removesuffix("_FILE")])
            if twice := [other for other in names if given.get(str(other).lower())]:
                raise ValueError(f"{variable} and {twice[0]} are both set: keep one of them")
            found[names[0] if alias else name] = _read(variable, Path(path))
        return found

    def _given(self) -> Mapping[str, str | None]:
        """Return every variable that is set, also in `.env`, by its name in small letters."""
        given: dict[str, str | None] = {}
        for source in reversed(self._variables):
            assert isinstance(source, EnvSettingsSource)
            given |= source.env_vars
        return given


def _read(variable: str, path: Path) -> str:
    """Return the text of the file at `path`. Raises ValueError."""
    try:
        # Opening a pipe would wait for its writer.
        if path.exists() and not path.is_file():
            raise ValueError(f"{variable}: {path} is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{variable}: cannot read {path}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"{variable}: {path} has more than {MAX_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{variable}: {path} is not UTF-8") from None
    if not text:
        raise ValueError(f"{variable}: {path} is empty")
    return text
