"""Forward SQL to a pod: a local listener, and a port-forward WebSocket for each connection.

Behind a port-forward the server sees a connection from its own loopback address, which many pg_hba.conf files
trust. Therefore no other user of this machine may reach the listener: it is a Unix socket in a directory that
only its owner can open. libpq never encrypts over a Unix socket; for a server that requires TLS there is a
listener on loopback as well, which accepts connections of its owner only.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from pgnb.cluster.channels import V4, message
from pgnb.cluster.loop import LOOP
from pgnb.cluster.pods import Pod
from pgnb.cluster.sockets import ProtocolRefused, Socket, Sockets
from pgnb.core.errors import ParameterError, PgnbError

DATA, ERROR = 0, 1
"""The two channels of the first port (portforward's v4.channel.k8s.io)."""
CHUNK = 256 * 1024
LINGER = 2.0
"""Seconds that a client has to read what was sent before its connection is closed."""
ACCESS_VARIABLE = "PGNB_POD_ACCESS"
ACCESSES = ("auto", "direct", "port-forward")
_DIRECT_LIMIT = 2.0
"""Seconds that a pod's own address has to accept a connection."""
_SOCKET_NUMBER = 5432
"""The port in the socket's name, as libpq builds it: HOST/.s.PGSQL.PORT."""
_LONGEST_PATH = 107
"""Maximal length in bytes of a Unix socket's path (unix(7))."""
_TCP_TABLE = Path("/proc/net/tcp")
Address = tuple[str, int]


@dataclass(eq=False)
class Forward:
    """An address at which a pod's port can be reached: `host` and `port` for libpq.

    With a relay `host` is the directory of the Unix socket. Every connection to it is a new WebSocket, so a
    restarted server is reached by connecting again. `last_error` is the pod's last refusal; "" if there was
    none.
    """

    host: str
    port: int
    pod: str
    last_error: str = ""
    _relay: _Relay | None = field(default=None, repr=False)

    def over_tcp(self) -> tuple[str, int]:
        """Return host and port of the same place over TCP, where libpq encrypts; other users are refused."""
        return self._relay.over_tcp() if self._relay is not None else (self.host, self.port)

    def close(self) -> None:
        """Close the listener and all its connections; does nothing the second time."""
        relay, self._relay = self._relay, None
        if relay is not None:
            relay.sockets.closers.discard(self.close)
            relay.stop()

    def __enter__(self) -> Forward:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_forward(sockets: Sockets, pod: Pod, port: int) -> Forward:
    """Open a connection to `port` of the pod: a port-forward, or inside the cluster the pod's own address.

    The address may not answer because of a network policy, a mesh, or a server that listens on localhost
    only: then a port-forward is used there, too. $PGNB_POD_ACCESS = `direct` or `port-forward` selects one of
    them. Raises ParameterError for another word.
    """
    if _directly(sockets.api.target.in_cluster, pod.ip, port):
        return Forward(pod.ip, port, pod.name)
    forward = Forward("", _SOCKET_NUMBER, pod.name)
    forward._relay = _Relay(sockets, forward, port)
    forward._relay.start()
    sockets.closers.add(forward.close)
    return forward


def _directly(in_cluster: bool, address: str, port: int) -> bool:
    access = os.environ.get(ACCESS_VARIABLE) or "auto"
    if access not in ACCESSES:
        raise ParameterError(
            f"{ACCESS_VARIABLE} cannot be {access!r}", remedy=f"Use one of {', '.join(ACCESSES)}."
        )
    if access != "auto":
        return access == "direct"
    return in_cluster and _answers(address, port)


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=_DIRECT_LIMIT):
            return True
    except OSError:
        return False


class _Relay:
    """The listener and its connections; everything but `start` and `stop` runs on the loop's thread."""

    def __init__(self, sockets: Sockets, forward: Forward, remote_port: int) -> None:
        self.sockets = sockets
        self._forward = forward
        self._remote_port = remote_port
        self._tasks: set[asyncio.Task[None]] = set()
        """The tasks of the listeners and connections; ending them closes what they hold."""
        self._tcp: tuple[str, int] | None = None

    def start(self) -> None:
        self.sockets.acquire()
        LOOP.hold(self, self._forward.close)
        self._forward.host = _private_directory()
        LOOP.run(self._listen(f"{self._forward.host}/.s.PGSQL.{_SOCKET_NUMBER}"))

    def over_tcp(self) -> tuple[str, int]:
        if self._tcp is None:
            self._tcp = LOOP.run(self._listen_on_loopback())
        return self._tcp

    def stop(self) -> None:
        LOOP.run(self._end())
        LOOP.release(self)
        shutil.rmtree(self._forward.host, ignore_errors=True)

    async def _listen(self, path: str) -> None:
        server = await asyncio.start_unix_server(self._accept, path, limit=CHUNK)
        self._keep(_until_cancelled(server))

    async def _listen_on_loopback(self) -> tuple[str, int]:
        server = await asyncio.start_server(self._accept_own, "127.0.0.1", 0, limit=CHUNK)
        host, port = server.sockets[0].getsockname()
        self._keep(_until_cancelled(server))
        return str(host), int(port)

    async def _end(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._keep(self._carry(reader, writer))

    def _accept_own(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if _is_own(writer.get_extra_info("peername"), writer.get_extra_info("sockname")):
            self._accept(reader, writer)
        else:
            self._forward.last_error = "a connection of another user of this machine was refused"
            writer.transport.abort()

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        query = [("ports", str(self._remote_port))]
        try:
            async with self.sockets.open(self._forward.pod, "portforward", query, (V4,)) as socket:
                await self._both_ways(reader, writer, socket)
        except ProtocolRefused:
            self._forward.last_error = "the API server does not forward ports over WebSockets"
        except PgnbError as error:
            self._forward.last_error = str(error)
        except (OSError, aiohttp.ClientError) as error:
            self._forward.last_error = f"{type(error).__name__}: {error}"
        finally:
            await _close(writer)

    async def _both_ways(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, socket: Socket
    ) -> None:
        ways = [
            asyncio.ensure_future(_upwards(reader, socket)),
            asyncio.ensure_future(self._downwards(socket, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _downwards(self, socket: Socket, writer: asyncio.StreamWriter) -> None:
        greeted: set[int] = set()
        async for received in socket:
            if received.type is not aiohttp.WSMsgType.BINARY or not received.data:
                continue
            channel = received.data[0]
            if channel not in greeted:
                greeted.add(channel)  # The first message of a channel repeats the port's number.
            elif channel == DATA:
                writer.write(memoryview(received.data)[1:])
                await writer.drain()
            elif channel == ERROR:
                self._forward.last_error = received.data[1:].decode("utf-8", "replace").strip()
                return
        with suppress(ConnectionError):
            await writer.drain()


def _private_directory() -> str:
    """Create a directory that only this user can open (0700), with a path short enough for a socket in it."""
    name = tempfile.mkdtemp(prefix="pgnb-")
    if len(f"{name}/.s.PGSQL.{_SOCKET_NUMBER}") <= _LONGEST_PATH:
        return name
    Path(name).rmdir()
    return tempfile.mkdtemp(prefix="pgnb-", dir="/tmp")


async def _until_cancelled(server: asyncio.Server) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        server.close()


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close the connection after sending the rest, unless the client does not read it."""
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), LINGER)
    except (OSError, TimeoutError):
        writer.transport.abort()


async def _upwards(reader: asyncio.StreamReader, socket: Socket) -> None:
    while data := await reader.read(CHUNK):
        await socket.send_bytes(message(DATA, data))


def _is_own(peer: Address, here: Address) -> bool:
    """Return whether this process's user made the connection from `peer` to `here` (IPv4 on loopback).

    Returns False also if the kernel does not say.
    """
    return _owner_of(peer, here) == os.geteuid()


def _owner_of(peer: Address, here: Address) -> int | None:
    """Return the user id of the socket whose own address is `peer` and whose remote address is `here`."""
    wanted = [_table_form(peer), _table_form(here)]
    try:
        lines = _TCP_TABLE.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return None  # Not Linux, or no /proc.
    return next((int(f[7]) for f in map(str.split, lines) if f[1:3] == wanted), None)


def _table_form(address: Address) -> str:
    """Return an address as in the table: in the machine's byte order, and the port, both in hexadecimal."""
    host, port = address
    number = int.from_bytes(socket.inet_aton(host), sys.byteorder)
    return f"{number:08X}:{port:04X}"
