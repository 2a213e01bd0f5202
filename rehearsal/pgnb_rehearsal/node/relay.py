"""One TCP connection passed on to another, both ways, with back-pressure and half-close."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import cast

_BUFFER = 1 << 20
Dial = Callable[[str], Awaitable[socket.socket]]
"""Connects to the other end for a client with that IP address; OSError when it can't."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Side(asyncio.Protocol):
    """One of two connections that are tied together: what one receives, the other sends."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_BUFFER)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Half-closed here, half-closed there; what is still under way in the other direction arrives."""
        other = self.other.transport if self.other is not None else None
        if other is not None and not other.is_closing() and other.can_write_eof():
            other.write_eof()
        return True

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        other = self.other
        if other is None or other.transport is None:
            return
        if exc is None:
            other.transport.close()
        else:
            other.reset()

    def reset(self) -> None:
        """End the connection so that the peer sees it reset."""
        if self.transport is None:
            return
        connection = self.transport.get_extra_info("socket")
        if connection is not None and connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()


class Relay(_Side):
    """The accepted side: lets `dial` connect to the other one, and registers itself in `relays`."""

    def __init__(self, dial: Dial, relays: set[Relay]) -> None:
        super().__init__()
        self._dial = dial
        self._relays = relays
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._relays.add(self)
        if self.transport is not None:
            self.transport.pause_reading()
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        if self.transport is None:
            return
        there = _Side()
        there.other = self
        try:
            connection = await self._dial(self.transport.get_extra_info("peername")[0])
        except OSError:
            self.reset()  # nobody listens there: the client sees it as it would see the endpoint's refusal
            return
        await asyncio.get_running_loop().create_connection(lambda: there, sock=connection)
        self.other = there
        self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._relays.discard(self)
        if self._connecting is not None:
            self._connecting.cancel()
        super().connection_lost(exc)

    def abort(self) -> None:
        """End both connections."""
        self.reset()
