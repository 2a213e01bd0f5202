"""A command that runs in a container: its streams, its exit code, its terminal."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import signal
import struct
import termios
from dataclasses import dataclass

from pgnb_rehearsal.pods.control import Child, release


@dataclass
class ExecProcess:
    """Streams are asyncio's; with a terminal, stdout carries both and stderr is None.

    stdin is None unless it was asked for; it is ended by `stdin.close()`, and a reader that has gone shows as
    BrokenPipeError or ConnectionResetError from `drain()`. stdout and stderr end when every process that
    holds them has ended, which may be later than the command itself.
    """

    child: Child
    stdin: asyncio.StreamWriter | None
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader | None
    transports: tuple[asyncio.BaseTransport, ...]
    terminal: int | None = None

    @property
    def pid(self) -> int:
        """The process, as the wrapper numbers it."""
        return self.child.pid

    async def wait(self) -> int:
        """The command's exit code, 128 + n when signal n killed it (also when its container ended)."""
        return await self.child.wait()

    def kill(self, name: str = "SIGKILL") -> None:
        """Send a signal by name; nothing happens when the command has ended."""
        self.child.signal(signal.Signals[name])

    def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size; nothing happens without a terminal."""
        if self.terminal is not None:
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self) -> None:
        """Let go of the streams; call it once the process is of no more interest."""
        for transport in self.transports:
            if transport.is_closing():
                continue
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
            else:
                transport.close()
        self.terminal = None
        release(self.child)


class _Reading(asyncio.StreamReaderProtocol):
    """Ends like a file: a terminal whose last process has gone answers EIO."""

    def connection_lost(self, exc: Exception | None) -> None:
        ended = isinstance(exc, OSError) and exc.errno == errno.EIO
        super().connection_lost(None if ended else exc)


async def reader(fd: int) -> tuple[asyncio.StreamReader, asyncio.BaseTransport]:
    """A stream that reads `fd`, which it owns from now on."""
    stream = asyncio.StreamReader(limit=1 << 18)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: _Reading(stream), os.fdopen(fd, "rb", 0)
    )
    return stream, transport


async def writer(fd: int) -> tuple[asyncio.StreamWriter, asyncio.BaseTransport]:
    """A stream that writes to `fd`, which it owns from now on."""
    loop = asyncio.get_running_loop()
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    transport, _ = await loop.connect_write_pipe(lambda: protocol, os.fdopen(fd, "wb", 0))
    return asyncio.StreamWriter(transport, protocol, None, loop), transport
