"""TLS in front of PostgreSQL, whose wheel is built without."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# PostgreSQL's documentation, section "SSL Session Encryption" of its protocol.
SSL_REQUEST = (8).to_bytes(4) + (80_877_103).to_bytes(4)


@contextmanager
def tls_in_front(port: int, certificate: Path) -> Iterator[int]:
    """Offer TLS as PostgreSQL does and forward to `port`. Gives the port to connect to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner: asyncio.StreamWriter | None = None
        try:
            request = await reader.readexactly(8)
            if request == SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(context)
                request = b""
            answers, inner = await asyncio.open_connection("127.0.0.1", port)
            inner.write(request)
            await asyncio.gather(_copy(reader, inner), _copy(answers, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client refused the certificate
        finally:
            for end in filter(None, (writer, inner)):
                end.close()

    async def stop() -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.1)  # TLS's close_notify

    start = asyncio.start_server(accept, "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(start, loop).result(10)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    finally:
        target.close()
