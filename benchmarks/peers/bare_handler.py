"""A function of AWS Lambda that does nothing but Keystead's select for who-am-I."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from os import environ
from typing import Any
from urllib.parse import urlsplit

Find = Callable[[str], Any]

SELECT = """
SELECT user_account.id, user_account.email, user_account.email_key, user_account.hashed_password,
       user_account.is_active, user_account.is_superuser, user_account.is_verified,
       user_account.created_at
FROM user_account JOIN user_session ON user_account.id = user_session.user_id
WHERE user_session.id = {} AND user_session.expires_at > {}
"""


def sqlite(path: str) -> Find:
    connection = sqlite3.connect(path, isolation_level=None)

    def find(login: str) -> Any:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        return connection.execute(SELECT.format("?", "?"), (login, now)).fetchone()

    return find


def postgres(dsn: str) -> Find:
    import asyncpg

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    connection = loop.run_until_complete(asyncpg.connect(dsn))
    statement = SELECT.format("$1", "$2")

    def find(login: str) -> Any:
        return loop.run_until_complete(connection.fetchrow(statement, login, datetime.now(UTC)))

    return find


url = environ["KEYSTEAD_DATABASE_URL"]
find = sqlite(urlsplit(url).path[1:]) if url.startswith("sqlite") else postgres(url)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    row = find(event["headers"]["x-login"])
    active, superuser, verified = map(bool, row[4:7])
    flags = {"is_active": active, "is_superuser": superuser, "is_verified": verified}
    body = json.dumps({"id": str(row[0]), "email": row[1], **flags})
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": body,
        "isBase64Encoded": False,
    }
