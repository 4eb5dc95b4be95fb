"""A Lambda function that executes Keystead's select of GET /users/me and nothing else."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from inspect import isawaitable
from os import environ
from typing import Any
from urllib.parse import urlsplit

SELECT = """
SELECT user_account.id, user_account.email, user_account.is_active, user_account.is_superuser,
       user_account.is_verified
FROM user_account JOIN user_session ON user_account.id = user_session.user_id
WHERE user_session.id = {} AND user_session.expires_at > {}
"""

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


def sqlite(path: str) -> Callable[[str], Any]:
    connection = sqlite3.connect(path, isolation_level=None)

    def find(login: str) -> Any:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        return connection.execute(SELECT.format("?", "?"), (login, now)).fetchone()

    return find


def postgres(dsn: str) -> Callable[[str], Any]:
    import asyncpg

    connection = loop.run_until_complete(asyncpg.connect(dsn))
    statement = SELECT.format("$1", "$2")

    async def find(login: str) -> Any:
        return await connection.fetchrow(statement, login, datetime.now(UTC))

    return find


url = environ["KEYSTEAD_DATABASE_URL"]
find = sqlite(urlsplit(url).path[1:]) if url.startswith("sqlite") else postgres(url)


def body(row: Any) -> dict[str, Any]:
    active, superuser, verified = map(bool, row[2:])
    flags = {"is_active": active, "is_superuser": superuser, "is_verified": verified}
    return {"id": str(row[0]), "email": row[1], **flags}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    found = find(event["headers"]["x-login"])
    row = loop.run_until_complete(found) if isawaitable(found) else found
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(body(row)),
        "isBase64Encoded": False,
    }
