"""WebSockets of the node's streams: agreeing on a subprotocol, frames with a channel, closing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from aiohttp import WSMsgType, web

from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.node.api_errors import bad_request

_HEARTBEAT = 30.0


def offered(request: web.Request) -> list[str]:
    """The subprotocols that a client offers, in its order; StatusError 400 when it asks for no upgrade."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise bad_request("Upgrade request required")
    header = request.headers.get("Sec-WebSocket-Protocol", "")
    return [name.strip() for name in header.split(",") if name.strip()]


async def accept(request: web.Request, spoken: Sequence[str]) -> web.WebSocketResponse:
    """Open the socket with the first of `spoken` that is offered; StatusError 403 when there is none."""
    names = offered(request)
    agreed = next((name for name in spoken if name in names), None)
    if agreed is None:
        sides = f"client supports {names}, server accepts {list(spoken)}"
        text = f"unable to upgrade: unable to negotiate protocol: {sides}"
        raise StatusError(403, "Forbidden", text)
    socket = web.WebSocketResponse(protocols=(agreed,), compress=False, max_msg_size=0, heartbeat=_HEARTBEAT)
    await socket.prepare(request)
    return socket


async def frames(socket: web.WebSocketResponse) -> AsyncIterator[tuple[int, bytes]]:
    """(channel, payload) of every frame from the client, until it closes or is lost.

    A text frame counts as its UTF-8 bytes, as the official Python client sends text.
    """
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            data = message.data.encode()
        elif message.type == WSMsgType.BINARY:
            data = message.data
        else:
            return
        if data:
            yield data[0], data[1:]
