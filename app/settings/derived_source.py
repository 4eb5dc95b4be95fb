"""A source of settings that the values of other sources lead to: a file's name, a secret's."""

from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource


class DerivedSource(PydanticBaseSettingsSource):
    """The base of such sources, which read all fields at once in `__call__`."""

    def __init__(
        self, settings_cls: type[BaseSettings], *variables: PydanticBaseSettingsSource
    ) -> None:
        """`variables`: the sources asked first, in order of precedence."""
        super().__init__(settings_cls)
        self._variables = variables

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing: `__call__` reads all fields at once."""
        return None, field_name, False
