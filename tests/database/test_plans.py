"""Query plans: an index finds the rows of every table that grows."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import time_machine
from sqlalchemy import Connection, Engine, event, insert

from app import clock
from app.audit.tables import AuditEvent
from app.ids import new_id
from app.mail.tables import MailMessage
from app.sessions.tables import UserSession
from app.tick.tables import TickRun
from app.users.tables import User
from tests import databases
from tests.databases import database_url
from tests.databases.server import open_engine
from tests.service import (
    METRICS_TOKEN,
    SERVICE_TOKEN,
    TICK_TOKEN,
    Account,
    Service,
    bearer,
    in_process,
)

ROWS = 10_000  # MySQL reads and sorts a table of a fifth of it
GROWING = ("user_account", "user_session", "mail_message", "tick_run", "audit_event")


def test_every_statement_finds_its_rows_by_an_index(tmp_path: Path) -> None:
    with in_process(tmp_path) as service:
        asyncio.run(fill(service.folder))
        with statements() as seen:
            tour(service)
    scans = asyncio.run(full_scans(service.folder, seen))
    assert len(seen) > 35
    assert not scans, "\n".join(scans)


async def fill(folder: Path) -> None:
    """Fill the growing tables until an index is worth it."""
    now = clock.now()
    people = {new_id(): f"{n}@camelot.bt" for n in range(ROWS)}
    rows: dict[type[Any], list[dict[str, Any]]] = {
        User: [
            {"id": id_, "email": address, "email_key": address, "hashed_password": "!"}
            for id_, address in people.items()
        ],
        UserSession: [{"user_id": id_, "expires_at": now + timedelta(1)} for id_ in people],
        MailMessage: [
            {"letter": "verify", "address": address, "state": "sent", "finished_at": now}
            for address in people.values()
        ],
        AuditEvent: [{"action": "x", "subject_id": id_} for id_ in people],
        TickRun: [
            {
                "name": "count",
                "occurrence": n,
                "fence": n,
                "state": "done",
                "attempts": 1,
                "trigger": "loop",
                "claimed_at": now,
            }
            for n in range(ROWS)
        ],
    }
    engine = open_engine(database_url(folder))
    async with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            await connection.exec_driver_sql("BEGIN")
        for table, values in rows.items():
            await connection.execute(insert(table), values)
        for name in GROWING:
            match connection.dialect.name:
                case "postgresql":
                    await connection.exec_driver_sql(f"ANALYZE {name}")
                case "mysql" | "mariadb":
                    await connection.exec_driver_sql(f"ANALYZE TABLE {name}")
    await engine.dispose()


@contextmanager
def statements() -> Iterator[dict[str, Any]]:
    """Collect the statements that are executed in the block, each with one set of parameters."""
    seen: dict[str, Any] = {}

    def note(_: Connection, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            seen.setdefault(statement, parameters)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def tour(service: Service) -> None:
    """Send every request that reads or changes rows."""
    client = service.client
    person = service.register()
    headers = service.login(person)
    client.get("/users/me", headers=headers)
    client.patch("/users/me", headers=headers, json={"password": "another one"})
    token = service.token(person.email)
    client.post("/auth/verify", json={"token": token})
    client.post("/auth/request-verify-token", json={"email": person.email})
    client.post("/auth/forgot-password", json={"email": person.email})
    token = service.token(person.email)
    client.post("/auth/reset-password", json={"token": token, "password": "yet another"})
    client.post("/auth/jwt/logout", headers=headers)
    tour_sessions(service, service.register())

    admin = service.login(service.superuser())
    page = client.get("/users", headers=admin).json()
    client.get("/users", headers=admin, params={"after": page["next"], "q": "2"})
    user = f"/users/{page['items'][0]['id']}"
    client.get(user, headers=admin)
    client.patch(user, headers=admin, json={"is_active": False, "is_superuser": False})
    client.delete(user, headers=admin)
    for arguments in (["list", "2"], ["sign-out", "7@camelot.bt"]):
        service.command("user", *arguments)

    for path in ("/admin/ticks", "/admin/ticks/count", "/health/ready"):
        client.get(path, headers=admin)
    assert client.get("/metrics", headers=bearer(METRICS_TOKEN)).status_code == 200
    client.get("/admin/ticks/count", headers=admin, params={"state": "dead"})
    for _ in range(2):
        client.post("/tick", headers=bearer(TICK_TOKEN))


def tour_sessions(service: Service, person: Account) -> None:
    """Send every request that reads or changes sessions by themselves."""
    client = service.client
    pair = service.try_login(person.email, person.password).json()
    headers = bearer(pair["access_token"])
    form = {"token": pair["refresh_token"]}
    client.post("/auth/introspect", data=form, headers=bearer(SERVICE_TOKEN))
    page = client.get("/users/me/sessions", headers=headers, params={"limit": 1}).json()
    client.get("/users/me/sessions", headers=headers, params={"after": page["items"][0]["id"]})
    client.delete(f"/users/me/sessions/{new_id()}", headers=headers)
    client.delete("/users/me/sessions", headers=headers)
    with time_machine.travel(clock.now() + timedelta(minutes=30)):
        client.get("/users/me", headers=headers)
    client.post("/auth/jwt/refresh", json={"refresh_token": pair["refresh_token"]})
    client.post("/auth/revoke", data=form)


async def full_scans(folder: Path, seen: dict[str, Any]) -> list[str]:
    """Return the statements that scan a whole growing table, with their plans."""
    read: dict[str, Callable[[Connection, str, Any], list[str]]] = {
        "sqlite": sqlite_scans,
        "postgres": postgres_scans,
        "mysql": mysql_scans,
        "mariadb": mysql_scans,
    }
    look = read[databases.server().name]

    def explain(connection: Connection) -> list[str]:
        found = []
        for statement, parameters in seen.items():
            found += [f"{plan}: {statement}" for plan in look(connection, statement, parameters)]
        return found

    engine = open_engine(database_url(folder))
    async with engine.connect() as connection:
        found = await connection.run_sync(explain)
    await engine.dispose()
    return found


def sqlite_scans(connection: Connection, statement: str, parameters: Any) -> list[str]:
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    steps = [row[3] for row in plan]
    return [
        step
        for step in steps
        if step.startswith(tuple(f"SCAN {table}" for table in GROWING))
        # In the order of an index, up to the limit.
        and not ("USING" in step and "LIMIT" in statement)
    ]


def postgres_scans(connection: Connection, statement: str, parameters: Any) -> list[str]:
    # Otherwise it scans a table as small as this one.
    connection.exec_driver_sql("SET enable_seqscan = off")
    found = connection.exec_driver_sql(
        f"EXPLAIN (FORMAT JSON) {statement}", parameters
    ).scalar_one()
    [plan] = json.loads(found) if isinstance(found, str) else found

    def look(node: dict[str, Any]) -> Iterator[str]:
        kind, table = node["Node Type"], node.get("Relation Name")
        whole = kind == "Seq Scan" or ("Index" in kind and "Index Cond" not in node)
        if table in GROWING and whole and "LIMIT" not in statement:
            yield f"{kind} on {table}"
        for child in node.get("Plans", ()):
            yield from look(child)

    return list(look(plan["Plan"]))


def mysql_scans(connection: Connection, statement: str, parameters: Any) -> list[str]:
    # MariaDB has no other format and no name for it.
    form = "FORMAT=TRADITIONAL " if databases.server().name == "mysql" else ""
    plan = connection.exec_driver_sql(f"EXPLAIN {form}{statement}", parameters).mappings()
    return [
        f"{row['type']} on {row['table']}"
        for row in plan
        if row["table"] in GROWING
        and (row["type"] == "ALL" or (row["type"] == "index" and "LIMIT" not in statement))
    ]
