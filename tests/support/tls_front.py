"""TLS before a server that speaks none."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BLOCK = 65_536


@contextmanager
def tls_front(port: int, folder: Path) -> Iterator[int]:
    """Take TLS on every address of this machine, for `port` on loopback; yields where.

    `folder` holds server.pem and server.key, as `make_certificates` writes them.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")

    async def pass_on(near: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        far, questions = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copy(near, questions), _copy(far, answers), return_exceptions=True)

    loop = asyncio.new_event_loop()
    starting = asyncio.start_server(pass_on, "0.0.0.0", 0, ssl=context)  # noqa: S104 - 127.0.0.2 too
    server = loop.run_until_complete(starting)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        server.close()
        loop.run_until_complete(_end_all())
        loop.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while block := await source.read(BLOCK):
            target.write(block)
            await target.drain()
    finally:
        target.close()


async def _end_all() -> None:
    mine = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not mine]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
