"""pods/exec: a command in a container, its streams on the channels of a WebSocket.

Channels 0 stdin, 1 stdout, 2 stderr, 3 the final Status, 4 the terminal's size; in v5 a frame on 255 closes
the channel that it names (k8s.io/apimachinery, remotecommand).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from pgnb_rehearsal.node.api_errors import bad_request
from pgnb_rehearsal.node.websockets import accept, frames, offered
from pgnb_rehearsal.pods.container import Container
from pgnb_rehearsal.pods.errors import ContainerGone, StartError
from pgnb_rehearsal.pods.process import ExecProcess

logger = logging.getLogger(__name__)

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
_CHUNK = 32 * 1024


@dataclass(frozen=True)
class ExecOptions:
    """A request's parameters (core/v1, PodExecOptions)."""

    command: tuple[str, ...]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


def options(request: web.Request) -> ExecOptions:
    """The parameters; StatusError 400 without an upgrade or without a stream."""
    offered(request)
    query = request.query
    stdin, stdout, stderr, tty = (
        query.get(name, "") in ("true", "1") for name in ("stdin", "stdout", "stderr", "tty")
    )
    if not (stdin or stdout or stderr):
        raise bad_request("you must specify at least one of stdin, stdout, stderr")
    return ExecOptions(tuple(query.getall("command", [])), stdin, stdout, stderr and not tty, tty)


async def serve(request: web.Request, container: Container, wanted: ExecOptions) -> web.StreamResponse:
    """Run the command for a client, from its first frame to the Status of its end."""
    socket = await accept(request, (V5, V4))
    session = ExecSession(socket, wanted, half_close=socket.ws_protocol == V5)
    with contextlib.suppress(ConnectionError):  # the client has gone; the command is on its own
        await session.run(container)
    return socket


class ExecSession:
    """One command and its client; `half_close`: the client can end stdin without ending the session."""

    def __init__(self, socket: web.WebSocketResponse, wanted: ExecOptions, *, half_close: bool) -> None:
        self._socket = socket
        self._wanted = wanted
        self._half_close = half_close

    async def run(self, container: Container) -> None:
        await self._socket.send_bytes(bytes([self._first_channel()]))
        try:
            process = await container.exec(
                self._wanted.command, tty=self._wanted.tty, stdin=self._wanted.stdin
            )
        except (StartError, ContainerGone) as error:
            await self._end(not_executed(str(error), nested=self._half_close))
            return
        try:
            await self._converse(process)
        finally:
            process.close()

    def _first_channel(self) -> int:
        """The one that an empty frame is sent on, to show that the session stands."""
        return STDOUT if self._wanted.stdout else STDERR if self._wanted.stderr else STATUS

    async def _converse(self, process: ExecProcess) -> None:
        """Until the command has ended and all its output is sent, or the client has gone.

        Output lasts as long as any process holds it: one that the command leaves behind is waited for.
        """
        running = asyncio.gather(self._pump_output(process), process.wait())
        listening = asyncio.ensure_future(self._listen(process))
        try:
            await asyncio.wait((running, listening), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                _, code = running.result()
                await self._end(ended(code, self._wanted.command, v5=self._half_close))
        finally:
            running.cancel()
            listening.cancel()
            await asyncio.gather(running, listening, return_exceptions=True)

    async def _end(self, status: dict[str, Any]) -> None:
        await self._socket.send_bytes(bytes([STATUS]) + encoded(status))
        await self._socket.close()

    async def _pump_output(self, process: ExecProcess) -> None:
        streams = [self._pump(process.stdout, STDOUT, wanted=self._wanted.stdout)]
        if process.stderr is not None:
            streams.append(self._pump(process.stderr, STDERR, wanted=self._wanted.stderr))
        await asyncio.gather(*streams)

    async def _pump(self, stream: asyncio.StreamReader, channel: int, *, wanted: bool) -> None:
        head = bytes([channel])
        while chunk := await stream.read(_CHUNK):
            if wanted:
                await self._socket.send_bytes(head + chunk)

    async def _listen(self, process: ExecProcess) -> None:
        """Hand on what the client sends, until it is gone; its stdin ends with it."""
        async for channel, payload in frames(self._socket):
            if channel == STDIN:
                await self._feed(process, payload)
            elif channel == RESIZE:
                self._resize(process, payload)
            elif channel == CLOSE and self._half_close and payload[:1] == bytes([STDIN]):
                self._close_stdin(process)
        self._close_stdin(process)

    async def _feed(self, process: ExecProcess, payload: bytes) -> None:
        if process.stdin is None or process.stdin.is_closing():
            return
        process.stdin.write(payload)
        with contextlib.suppress(ConnectionError):  # the command no longer reads; its exit status tells why
            await process.stdin.drain()

    @staticmethod
    def _close_stdin(process: ExecProcess) -> None:
        if process.stdin is not None:
            process.stdin.close()

    @staticmethod
    def _resize(process: ExecProcess, payload: bytes) -> None:
        try:
            size = json.loads(payload)
            process.resize(int(size["Height"]), int(size["Width"]))
        except (ValueError, KeyError, TypeError) as error:
            logger.info("a terminal size that is none: %r (%s)", payload, error)


def ended(code: int, command: tuple[str, ...], *, v5: bool) -> dict[str, Any]:
    """The Status of a command that has ended with `code`."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    how = f"command terminated with exit code {code}"
    if not v5:
        how = f"error executing command [{' '.join(command)}], exit code {code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {how}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def not_executed(why: str, *, nested: bool) -> dict[str, Any]:
    """The Status of a command that could not be executed; `nested`: as v5 wraps it once more."""
    cause = f"error executing command in container: {why}"
    if nested:
        cause = f"Internal error occurred: {cause}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {cause}",
        "reason": "InternalError",
        "details": {"causes": [{"message": cause}]},
        "code": 500,
    }


def encoded(status: dict[str, Any]) -> bytes:
    """JSON as Go's encoder writes it: compact, with <, > and & escaped."""
    text = json.dumps(status, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode()
