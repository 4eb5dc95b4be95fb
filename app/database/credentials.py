"""Database passwords that are rotated while the process runs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import make_url

from app.database.errors import error_codes

_WRONG_PASSWORD = frozenset({"28P01", "28000", 1045})


class RotatingCredentials:
    """Connects; if the server refuses the password, reads the current one and tries once more."""

    def __init__(
        self, connect: Callable[..., Awaitable[Any]], current_url: Callable[[], str]
    ) -> None:
        """`connect`: the driver's. `current_url`: reads the URL anew; may block, in a thread."""
        self._connect = connect
        self._current_url = current_url
        self._credentials: dict[str, Any] = {}

    async def __call__(self, *args: Any, **options: Any) -> Any:
        try:
            return await self._connect(*args, **options | self._credentials)
        except Exception as refusal:
            if not error_codes(refusal) & _WRONG_PASSWORD:
                raise
            try:
                url = make_url(await asyncio.to_thread(self._current_url))
            except ValueError as unread:
                raise refusal from unread
        self._credentials = {"user": url.username, "password": url.password}
        return await self._connect(*args, **options | self._credentials)
