"""The declarative base of every table."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from app.database.types import Id, UTCDateTime


class Base(DeclarativeBase):
    """Gives every table its constraint names, column types and binary string comparison."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {UUID: Id, datetime: UTCDateTime()}
    # Without it, MySQL takes 'é' for 'e' and MariaDB ignores trailing blanks.
    __table_args__: Any = {  # noqa: RUF012
        f"{dialect}_{option}": value
        for dialect in ("mysql", "mariadb")
        for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
    }
