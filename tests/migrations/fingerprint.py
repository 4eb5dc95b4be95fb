"""A schema as text: every difference that matters, in a stable order."""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from tests.migrations.history import VERSION_TABLES, run_in

COMMITTED = Path(__file__).parent / "fingerprints"


def fingerprint(folder: Path) -> str:
    """Return the schema of the folder's database, one line for each part."""
    found: str = run_in(folder, _fingerprint)
    return found


def _fingerprint(connection: Connection) -> str:
    inspector = inspect(connection)
    collations = _collations(connection)
    lines: list[str] = []
    for table in sorted(inspector.get_table_names()):
        if table in VERSION_TABLES:
            continue
        uniques = inspector.get_unique_constraints(table)
        things = [
            *(
                _column(connection, column, collations.get((table, column["name"])))
                for column in inspector.get_columns(table)
            ),
            _primary(inspector.get_pk_constraint(table)),
            *map(_unique, uniques),
            *(
                _index(index)
                for index in inspector.get_indexes(table)
                if index["name"] not in {unique["name"] for unique in uniques}
            ),
            *map(_foreign, inspector.get_foreign_keys(table)),
            *(
                f"check {check['name']}: {_plain(str(check['sqltext']))}"
                for check in inspector.get_check_constraints(table)
            ),
        ]
        lines += [f"table {table}", *(f"  {thing}" for thing in sorted(things))]
    return "\n".join(lines) + "\n"


def _column(connection: Connection, column: Any, collation: str | None) -> str:
    kind = column["type"].compile(connection.dialect)
    kind = re.sub(r"^(\w*INT\w*)\(\d\d\)$", r"\1", kind)  # MariaDB's display width
    kind = re.sub(r" (?:CHARACTER SET \w+ ?)?(?:COLLATE \S+)?$", "", kind)
    parts = [f"column {column['name']} {kind}"]
    if collation is not None:
        parts.append(f"collate {collation}")
    parts.append("null" if column["nullable"] else "not null")
    if column["default"] is not None:
        parts.append("default " + _plain(str(column["default"])).strip("'"))
    return " ".join(parts)


def _primary(key: Any) -> str:
    # MySQL and MariaDB do not keep its name.
    return f"primary key {key['name'] or 'PRIMARY'} ({', '.join(key['constrained_columns'])})"


def _unique(unique: Any) -> str:
    return f"unique {unique['name']} ({', '.join(unique['column_names'])})"


def _index(index: Any) -> str:
    unique = "unique " if index["unique"] else ""
    return f"{unique}index {index['name']} ({', '.join(index['column_names'])})"


def _foreign(key: Any) -> str:
    columns, referred = ", ".join(key["constrained_columns"]), ", ".join(key["referred_columns"])
    actions = "".join(
        f" on {what.removeprefix('on')} {act}" for what, act in sorted(key["options"].items())
    )
    return f"foreign key {key['name']} ({columns}) -> {key['referred_table']} ({referred}){actions}"


def _plain(sql: str) -> str:
    """Return an expression without casts, quotes, brackets and case, which differ by server."""
    sql = re.sub(r"::(?:character varying|\w+)(?:\[\])?", "", sql)
    sql = re.sub(r"[`()]|_utf8mb4", " ", sql).replace("\\'", "'")
    sql = re.sub(r"= ANY +ARRAY\[(.*?)\]", r"IN \1", sql)
    return " ".join(sql.split()).replace(" ,", ",").replace(",", ", ").replace("  ", " ").lower()


def _collations(connection: Connection) -> dict[tuple[str, str], str]:
    """Return the collation of each column that has one of its own."""
    if connection.dialect.name == "sqlite":
        return {}
    schema = "current_schema()" if connection.dialect.name == "postgresql" else "database()"
    statement = (
        "SELECT table_name, column_name, collation_name FROM information_schema.columns "
        f"WHERE table_schema = {schema} AND collation_name IS NOT NULL"
    )
    rows = connection.execute(text(statement))
    return {(str(row[0]), str(row[1])): str(row[2]) for row in rows}


def write() -> None:
    """Write the fingerprint of each database's schema at head, for the review."""
    import tempfile

    from app.schema.revisions import head
    from tests import databases
    from tests.migrations.history import upgrade

    for name in databases.KINDS:
        with databases.open_server(name) as server, tempfile.TemporaryDirectory() as folder:
            databases.use(server)
            upgrade(Path(folder), head())
            (COMMITTED / f"{name}.txt").write_text(fingerprint(Path(folder)))


if __name__ == "__main__":
    write()
