"""WebSockets to the API server, with the TLS, credentials and proxy of its other requests."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

from pgnb.cluster.api_errors import refusal
from pgnb.cluster.client import Api, unreachable
from pgnb.cluster.kubeconfig import Target
from pgnb.cluster.loop import LOOP
from pgnb.core.errors import AccessDenied, ApiUnreachable

Socket = aiohttp.ClientWebSocketResponse


KEEP_ALIVE = 10.0
"""Seconds between pings, so that no proxy closes an idle stream."""


class ProtocolRefused(Exception):
    """The server speaks none of the offered subprotocols."""


@dataclass(eq=False)
class Sockets:
    """Open WebSockets for one Api; all coroutines run on the process's one loop."""

    api: Api
    half_close: bool | None = None
    """Whether exec's stdin can be closed (v5); None until the first exec with a stdin has found out."""
    closers: set[Callable[[], None]] = field(default_factory=set, repr=False)
    """What must be closed before the connections are: the open forwards."""
    _connectors: list[tuple[Target, aiohttp.TCPConnector]] = field(default_factory=list, repr=False)
    """The last one is used; those before it, with older credentials, carry what was opened then."""

    @asynccontextmanager
    async def open(
        self, pod: str, action: str, query: Sequence[tuple[str, str]], protocols: Sequence[str]
    ) -> AsyncIterator[Socket]:
        """Open a WebSocket to `pods/POD/ACTION`. Raises ProtocolRefused, or the error of a refusal.

        An opening that is answered 401 has begun nothing: it is repeated once with renewed credentials.
        """
        inside = f"/api/v1/namespaces/{quote(self.api.namespace)}/pods/{quote(pod)}/{action}"
        url = f"{self.api.target.server_url}{inside}?{urlencode(query)}"
        async with AsyncExitStack() as opened:
            used = self.api.target
            try:
                socket = await self._connect(opened, url, protocols)
            except AccessDenied as denied:
                await asyncio.to_thread(self.api.renew, used, denied)
                socket = await self._connect(opened, url, protocols)
            alive = asyncio.ensure_future(_keep_alive(socket))
            try:
                yield socket
            finally:
                alive.cancel()
                await asyncio.gather(alive, return_exceptions=True)
                await socket.close()

    async def _connect(self, opened: AsyncExitStack, url: str, protocols: Sequence[str]) -> Socket:
        session = await opened.enter_async_context(
            aiohttp.ClientSession(
                connector=self._shared_connector(),
                connector_owner=False,
                raise_for_status=_refuse,
                headers=await asyncio.to_thread(self.api.credentials),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.api.timeout),
            )
        )
        opening = session.ws_connect(
            url,
            protocols=protocols,
            max_msg_size=0,
            proxy=self.api.target.configuration.proxy or None,
            timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
            **self._server_name(),
        )
        try:
            socket: Socket = await asyncio.wait_for(opening, self.api.timeout)
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise unreachable(self.api.target, error, self.api.timeout) from error
        except aiohttp.WSServerHandshakeError as error:
            raise ApiUnreachable(
                f"the API server, or a proxy before it, does not open a WebSocket: {error.message}",
                found=f"status {error.status}",
                remedy="Kubernetes 1.30 or later supports WebSockets; a proxy must pass on the"
                " header `Upgrade`.",
            ) from error
        if socket.protocol not in protocols:
            await socket.close()
            raise ProtocolRefused
        return socket

    def _server_name(self) -> dict[str, Any]:
        name = self.api.target.configuration.tls_server_name
        return {"server_hostname": name} if name else {}

    def _shared_connector(self) -> aiohttp.TCPConnector:
        if self._connectors:
            target, connector = self._connectors[-1]
            if target is self.api.target and not connector.closed:
                return connector
        made = aiohttp.TCPConnector(ssl=_tls(self.api.target), limit=0)
        self._connectors.append((self.api.target, made))
        return made

    def acquire(self) -> None:
        """Keep the loop running until `close`."""
        LOOP.hold(self, self.close)

    def close(self) -> None:
        """Close the connections, and release the loop."""
        for close in list(self.closers):
            close()
        if self._connectors:
            self.acquire()
            LOOP.run(self._close_connectors())
        LOOP.release(self)

    async def _close_connectors(self) -> None:
        while self._connectors:
            _, connector = self._connectors.pop()
            await connector.close()


def _tls(target: Target) -> ssl.SSLContext | bool:
    settings = target.configuration
    if not target.server_url.startswith("https"):
        return False
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert or None)
    if not settings.verify_ssl:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context


async def _keep_alive(socket: Socket) -> None:
    """Send pings without waiting for an answer: the reader of a broken stream notices it."""
    while True:
        await asyncio.sleep(KEEP_ALIVE)
        await socket.ping()


async def _refuse(response: aiohttp.ClientResponse) -> None:
    """Read a refusal's body before aiohttp drops it: it holds the API server's own text."""
    if response.status < 400:
        return
    body = await response.read()
    if response.status == 403 and not body.strip().startswith(b"{"):
        raise ProtocolRefused
    raise refusal(response.status, body, f"{response.method} {response.url.path}")
