"""Settings that are members of secrets in AWS Secrets Manager."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from app.settings import secrets_manager
from app.settings.database_url import with_credentials
from app.settings.derived_source import DerivedSource
from app.settings.texts import split_list


class SecretsSource(DerivedSource):
    """The settings in the secrets whose ARNs KEYSTEAD_SECRETS lists, in a variable or in `.env`.

    A setting that a variable or `.env` names is not taken from a secret. `username` and
    `password`, as RDS keeps them, complete the database's URL, and that for migrations
    unless it has a password.
    """

    def __call__(self) -> dict[str, Any]:
        """Return the settings by name. Raises secrets_manager.Unreadable."""
        given: dict[str, Any] = {}
        for source in reversed(self._variables):
            given |= {self._field(name): value for name, value in source().items()}
        members = read_members(split_list(str(given.get("secrets", ""))))
        fields = self.settings_cls.model_fields.keys() - given.keys() - {"lambda_function"}
        found: dict[str, Any] = {name: members[name] for name in members.keys() & fields}
        url = given.get("database_url") or members.get("database_url")
        if url and "password" in members:
            username, password = members.get("username", ""), members["password"]
            found["database_url"] = with_credentials(url, username, password)
        past = given.get("migrate_database_url") or members.get("migrate_database_url")
        if past and "password" in members and urlsplit(past).password is None:
            username, password = members.get("username", ""), members["password"]
            found["migrate_database_url"] = with_credentials(past, username, password)
        return {self._key(name): value for name, value in found.items()}

    def _key(self, field: str) -> str:
        """Return the key that the sources of variables use for a field."""
        alias = self.settings_cls.model_fields[field].validation_alias
        return str(getattr(alias, "choices", [alias or field])[0])

    def _field(self, name: str) -> str:
        """Return the field that a source's key, a field's name or one of its aliases, is for."""
        for field, info in self.settings_cls.model_fields.items():
            aliases = getattr(info.validation_alias, "choices", [info.validation_alias])
            if name in aliases:
                return field
        return name


def read_members(arns: Iterable[str]) -> dict[str, str]:
    """Return the members of the secrets at `arns`; the first secret with a member wins.

    Raises secrets_manager.Unreadable.
    """
    members: dict[str, str] = {}
    for arn in arns:
        members = secrets_manager.read(arn) | members
    return members
