"""A connection to the database server that is cut at a chosen message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from sqlalchemy import make_url

from app.settings.model import Settings
from tests.databases import database_url
from tests.service import make_environment, settings_from

Where = Literal["before", "after"]


class Cut:
    """Cuts every connection once: at the n-th message from the clients, over all connections.

    `before`: the server never receives that message. `after`: its answer is lost.
    """

    def __init__(self, at: int, where: Where) -> None:
        self.messages = 0
        self.done = False
        self._at = at
        self._where = where

    async def carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: tuple[str, int]
    ) -> None:
        there, back = await asyncio.open_connection(*upstream)
        answers = asyncio.create_task(_pour(there, writer))
        try:
            while message := await reader.read(65_536):
                self.messages += 1
                cut = self.messages == self._at
                if cut and self._where == "before":
                    break
                if cut:
                    answers.cancel()
                back.write(message)
                await back.drain()
                if cut:
                    await there.read(65_536)
                    break
        except ConnectionError:
            pass
        finally:
            self.done = self.done or self.messages >= self._at
            answers.cancel()
            for end in (writer, back):
                end.transport.abort()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()


@asynccontextmanager
async def cut_at(n: int, where: Where, folder: Path) -> AsyncIterator[tuple[Settings, Cut]]:
    """Serve a proxy to the folder's database, which is cut. Gives the settings of its client."""
    url, cut = make_url(database_url(folder)), Cut(n, where)
    assert url.host is not None
    assert url.port is not None
    upstream = (url.host, url.port)
    server = await asyncio.start_server(
        lambda reader, writer: cut.carry(reader, writer, upstream), "127.0.0.1", 0
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        through = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        yield settings_from(make_environment(folder, database_url=through)), cut
