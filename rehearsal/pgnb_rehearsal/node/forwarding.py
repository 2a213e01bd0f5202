"""pods/portforward over a WebSocket (v4.channel.k8s.io): two channels for each port, data and errors.

The first frame on each channel names its port, two bytes, little-endian. Every connection of a client needs a
socket of its own.
"""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from pgnb_rehearsal.node.api_errors import bad_request, spelled
from pgnb_rehearsal.node.websockets import accept, frames, offered
from pgnb_rehearsal.pods.sandbox import Sandbox

V4 = "v4.channel.k8s.io"
_CHUNK = 256 * 1024


def ports(request: web.Request) -> list[int]:
    """The ports asked for; StatusError 400 without an upgrade, without a port, or with one that is none."""
    offered(request)
    texts = [text for value in request.query.getall("ports", []) for text in value.split(",")]
    if not texts:
        raise bad_request('query parameter "ports" is required')
    return [_port(text) for text in texts]


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise bad_request(f'cannot convert to []int32: strconv.ParseUint: parsing "{text}": invalid syntax')
    if not 0 < int(text) < 65536:
        raise bad_request(f'port "{text}" must be between 1 and 65535')
    return int(text)


async def serve(request: web.Request, sandbox: Sandbox, wanted: list[int]) -> web.StreamResponse:
    """Forward until every port's connection has ended, or the client has gone."""
    socket = await accept(request, (V4,))
    forwards = [Forward(socket, sandbox, port, 2 * index) for index, port in enumerate(wanted)]
    with contextlib.suppress(ConnectionError):  # the client has gone
        for forward in forwards:
            await forward.announce()
        await _until_ended(socket, forwards)
        await socket.close()
    return socket


async def _until_ended(socket: web.WebSocketResponse, forwards: list[Forward]) -> None:
    listening = asyncio.ensure_future(_listen(socket, forwards))
    running = asyncio.gather(*(forward.run() for forward in forwards))
    try:
        await asyncio.wait((listening, running), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        for task in (listening, running):
            task.cancel()
        await asyncio.gather(listening, running, return_exceptions=True)
        for forward in forwards:
            forward.close()


async def _listen(socket: web.WebSocketResponse, forwards: list[Forward]) -> None:
    async for channel, payload in frames(socket):
        if channel % 2 == 0 and channel // 2 < len(forwards):
            await forwards[channel // 2].send(payload)


class Forward:
    """One port: `data` is the number of its data channel, the next one is for its error."""

    def __init__(self, socket: web.WebSocketResponse, sandbox: Sandbox, port: int, data: int) -> None:
        self._socket = socket
        self._sandbox = sandbox
        self._port = port
        self._data = bytes([data])
        self._error = bytes([data + 1])
        self._writer: asyncio.StreamWriter | None = None
        self._tried = asyncio.Event()

    async def announce(self) -> None:
        """Say which port the two channels are for."""
        number = self._port.to_bytes(2, "little")
        await self._socket.send_bytes(self._data + number)
        await self._socket.send_bytes(self._error + number)

    async def run(self) -> None:
        """Connect, and pass on what the pod sends until it ends."""
        try:
            reader, self._writer = await self._sandbox.connect(self._port)
        except OSError as error:
            await self._socket.send_bytes(self._error + self._refused(error).encode())
            return
        finally:
            self._tried.set()
        try:
            while chunk := await reader.read(_CHUNK):
                await self._socket.send_bytes(self._data + chunk)
        except ConnectionResetError as error:
            if self._writer.is_closing():
                return
            await self._socket.send_bytes(self._error + self._refused(error).encode())

    async def send(self, payload: bytes) -> None:
        """Pass on what the client sends; nothing happens on a port that nobody listens on."""
        await self._tried.wait()
        if self._writer is None or self._writer.is_closing():
            return
        self._writer.write(payload)
        with contextlib.suppress(ConnectionError):  # the pod has closed; `run` sees it too
            await self._writer.drain()

    def close(self) -> None:
        """End the connection into the pod."""
        if self._writer is not None:
            self._writer.close()

    def _refused(self, error: OSError) -> str:
        """The words of a container runtime; a pod has no IPv6 address here."""
        network = f"/proc/{self._sandbox.pause.pid}/ns/net"
        return (
            f"error forwarding port {self._port} to pod {self._sandbox.uid}, uid : "
            f'failed to execute portforward in network namespace "{network}": '
            f'failed to connect to localhost:{self._port} inside namespace "{self._sandbox.uid}", '
            f"IPv4: dial tcp4 127.0.0.1:{self._port}: connect: {spelled(error)} "
            "IPv6 dial tcp6: address localhost: no suitable address found "
        )
