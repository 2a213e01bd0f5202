"""A long way to the API server: a relay that keeps each chunk back, and can break or stall."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import yaml

_CHUNK = 65536


class SlowWay:
    """Relays connections to `target`; each chunk arrives `latency` seconds later, in either direction."""

    def __init__(self, target: tuple[str, int], latency: float, idle: float | None = None) -> None:
        self.target, self.latency, self.port, self.idle = target, latency, 0, idle
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    def stall(self) -> None:
        """From now on nothing arrives any more, though connections are accepted."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def cut(self) -> None:
        """Break every connection that is open, as a gateway does that was restarted."""
        asyncio.run_coroutine_threadsafe(self._abort(), self._loop).result(timeout=5)

    def refuse(self) -> None:
        """From now on connections are refused, and those that are open break."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=5)

    async def _close(self) -> None:
        self._server.close()
        await self._abort()

    def accept(self) -> None:
        """Connections are taken again, at the same address."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(timeout=5)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _abort(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        self._open.set()
        await self._listen()
        ready.set()
        await stop.wait()
        await self._abort()
        self._server.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self.target)
        self._writers |= {writer, back}
        await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
        self._writers -= {writer, back}

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read on while earlier chunks are still on their way: latency, not a narrow pipe."""
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.create_task(self._deliver(chunks, writer))
        with suppress(OSError):  # A broken connection ends here as a closed one does.
            while chunk := await self._read(reader, writer):
                chunks.put_nowait((self._loop.time() + self.latency, chunk))
        chunks.put_nowait((self._loop.time() + self.latency, b""))
        await delivery

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """The next chunk; nothing, and the end of both directions, after `idle` seconds without one."""
        try:
            return await asyncio.wait_for(reader.read(_CHUNK), self.idle)
        except TimeoutError:
            writer.transport.abort()
            return b""

    async def _deliver(
        self, chunks: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while True:
                at, chunk = await chunks.get()
                await asyncio.sleep(max(0.0, at - self._loop.time()))
                await self._open.wait()
                if not chunk:
                    break
                writer.write(chunk)
                await writer.drain()
        writer.close()

    def run(self, ready: threading.Event, stop: asyncio.Event) -> None:
        self._loop.run_until_complete(self.serve(ready, stop))
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def end(self, stop: asyncio.Event) -> None:
        self._loop.call_soon_threadsafe(stop.set)


@contextmanager
def slow_way(kubeconfig: Path, path: Path, latency: float, *, idle: float | None = None) -> Iterator[SlowWay]:
    """The relay before the kubeconfig's API server; `path` is written as the kubeconfig that leads to it.

    It cuts a connection on which nothing came for `idle` seconds in either direction.
    """
    config = yaml.safe_load(kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    parts = urlsplit(cluster["server"])
    assert parts.hostname is not None and parts.port is not None
    way = SlowWay((parts.hostname, parts.port), latency, idle)
    ready, stop = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=way.run, args=(ready, stop), name="slow-way")
    thread.start()
    try:
        assert ready.wait(5)
        cluster["server"] = f"https://127.0.0.1:{way.port}"
        path.write_text(yaml.safe_dump(config))
        yield way
    finally:
        way.end(stop)
        thread.join(timeout=5)
