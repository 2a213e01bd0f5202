"""A container's log file in the CRI format: `<RFC 3339 with nanoseconds> stdout|stderr F|P <line>`.

P marks a part of a line that goes on; lines are cut after 16 KiB, as container runtimes do.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import BinaryIO

LARGEST_LINE = 16 * 1024


class ContainerLog:
    """Writes the streams of one container into `path`, which is appended to."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._readers: list[asyncio.Future[None]] = []
        self._transports: list[asyncio.ReadTransport] = []

    async def follow(self, stream: str, fd: int) -> None:
        """Begin to write what comes out of `fd`, a pipe or terminal that is closed at its end."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        transport, _ = await loop.connect_read_pipe(
            lambda: _StreamLog(self._file, stream, ended), os.fdopen(fd, "rb", 0)
        )
        self._readers.append(ended)
        self._transports.append(transport)

    async def drain(self, seconds: float) -> None:
        """Wait until all streams have ended, at most `seconds`, and close the file.

        A process that outlives its container can hold a stream open; what it writes later is lost.
        """
        if self._readers:
            await asyncio.wait(self._readers, timeout=seconds)
        for transport in self._transports:
            transport.close()
        self._file.close()


class _StreamLog(asyncio.Protocol):
    def __init__(self, file: BinaryIO, stream: str, ended: asyncio.Future[None]) -> None:
        self._file = file
        self._stream = stream.encode()
        self._ended = ended
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        stamp = timestamp(time.time_ns()).encode()
        *lines, self._rest = (self._rest + data).split(b"\n")
        out = [entry for line in lines for entry in self._entries(stamp, line, last=b"F")]
        while len(self._rest) >= LARGEST_LINE:
            out.append(self._entry(stamp, b"P", self._rest[:LARGEST_LINE]))
            self._rest = self._rest[LARGEST_LINE:]
        self._write(out)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._rest:
            stamp = timestamp(time.time_ns()).encode()
            self._write([self._entry(stamp, b"P", self._rest)])
        if not self._ended.done():
            self._ended.set_result(None)

    def _entries(self, stamp: bytes, line: bytes, *, last: bytes) -> list[bytes]:
        parts = [line[start : start + LARGEST_LINE] for start in range(0, len(line), LARGEST_LINE)] or [b""]
        marks = [b"P"] * (len(parts) - 1) + [last]
        return [self._entry(stamp, mark, part) for mark, part in zip(marks, parts, strict=True)]

    def _entry(self, stamp: bytes, mark: bytes, text: bytes) -> bytes:
        return b"%s %s %s %s\n" % (stamp, self._stream, mark, text)

    def _write(self, entries: list[bytes]) -> None:
        if entries and not self._file.closed:
            self._file.write(b"".join(entries))


def timestamp(nanoseconds: int) -> str:
    """Nanoseconds since the epoch as RFC 3339 in UTC, with all nine digits."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09d}Z"
