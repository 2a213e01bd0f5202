"""Services: TCP from a ClusterIP to a ready endpoint, as kube-proxy has it.

A Service's port is listened on as long as it has an endpoint to go to; without one a connection is refused.
Each new connection goes to one of the endpoints of that moment, chosen by chance; what is open stays where
it is, whatever becomes of the Service.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.node.relay import Relay
from pgnb_rehearsal.pods.sandbox import Sandbox

logger = logging.getLogger(__name__)

_BACKLOG = 512


class Address(NamedTuple):
    """An IP address and a TCP port."""

    ip: str
    port: int


def routes(store: Store) -> dict[Address, tuple[Address, ...]]:
    """Every ClusterIP's TCP port that leads somewhere, and where to, as the store has it at this moment."""
    slices: dict[tuple[str, str], list[Object]] = {}
    for part in store.select("endpointslices"):
        labels, namespace = part["metadata"].get("labels") or {}, part["metadata"]["namespace"]
        slices.setdefault((namespace, labels.get("kubernetes.io/service-name", "")), []).append(part)
    found: dict[Address, tuple[Address, ...]] = {}
    for service in store.select("services"):
        metadata, spec = service["metadata"], service["spec"]
        if spec.get("clusterIP", "") in ("", "None") or spec.get("type") == "ExternalName":
            continue
        parts = slices.get((metadata["namespace"], metadata["name"]), [])
        for port in spec.get("ports") or ():
            targets = tuple(_targets(parts, port))
            if port.get("protocol", "TCP") == "TCP" and targets:
                found[Address(spec["clusterIP"], port["port"])] = targets
    return found


def _targets(parts: Iterable[Object], port: Object) -> Iterable[Address]:
    """A port's endpoints: the ready ones, or, without any, those that end but still serve."""
    behind = [
        (endpoint, entry["port"])
        for part in parts
        for entry in part.get("ports") or ()
        if entry.get("name", "") == port.get("name", "")
        for endpoint in part.get("endpoints") or ()
    ]
    chosen = [one for one in behind if _is(one[0], "ready", default=True)]
    if not chosen:
        chosen = [o for o in behind if _is(o[0], "serving") and _is(o[0], "terminating")]
    return [Address(ip, number) for endpoint, number in chosen for ip in endpoint["addresses"]]


def _is(endpoint: Object, condition: str, *, default: bool = False) -> bool:
    value = (endpoint.get("conditions") or {}).get(condition)
    return default if value is None else bool(value)


class ServiceProxy:
    """Listens on the ClusterIPs, which have to be local addresses of this network namespace."""

    def __init__(self, store: Store, sandboxes: Callable[[], Iterable[Sandbox]]) -> None:
        """`sandboxes`: the pods of the moment. A pod's connections go on from its own network namespace, so
        that the endpoint sees the pod's address and not the node's."""
        self._store = store
        self._sandboxes = sandboxes
        self._routes: dict[Address, tuple[Address, ...]] = {}
        self._servers: dict[Address, asyncio.Server] = {}
        self._relays: set[Relay] = set()
        self._dialling: dict[asyncio.Future[socket.socket], tuple[Address, Address]] = {}

    async def run(self) -> None:
        """Follow Services and endpoints until cancelled; then all connections end."""
        subscription = self._store.subscribe("services", "endpointslices")
        try:
            async for _ in subscription:
                while subscription.pending() is not None:
                    continue  # one look at all of them is enough
                await self._follow()
        finally:
            subscription.close()
            for server in self._servers.values():
                server.close()
            for relay in tuple(self._relays):
                relay.abort()

    async def _follow(self) -> None:
        self._routes = routes(self._store)
        for dialling, (address, target) in tuple(self._dialling.items()):
            if target not in self._routes.get(address, ()):
                dialling.cancel()  # its address is gone, and nobody there would say so for seconds
        for address in self._servers.keys() - self._routes.keys():
            self._servers.pop(address).close()
        for address in self._routes.keys() - self._servers.keys():
            await self._listen(address)

    async def _listen(self, address: Address) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._servers[address] = await loop.create_server(
                lambda: Relay(partial(self._dial, address), self._relays), *address, backlog=_BACKLOG
            )
        except OSError as error:
            logger.warning("Service address %s:%d cannot be listened on: %s", *address, error)

    async def _dial(self, address: Address, client: str) -> socket.socket:
        """A connection to one of the endpoints behind `address`, for a client with that IP address."""
        targets = self._routes.get(address)
        if not targets:
            raise ConnectionRefusedError(f"no endpoint behind {address.ip}:{address.port}")
        target = random.choice(targets)
        dialling = asyncio.ensure_future(self._reach(target, client))
        self._dialling[dialling] = (address, target)
        try:
            return await dialling
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise ConnectionRefusedError(f"the endpoint {target.ip} went away") from None
        finally:
            del self._dialling[dialling]

    async def _reach(self, target: Address, client: str) -> socket.socket:
        for sandbox in self._sandboxes():
            if sandbox.ip == client:
                return await sandbox.dial(*target)
        connection = socket.socket()
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, target)
        except BaseException:
            connection.close()
            raise
        return connection
