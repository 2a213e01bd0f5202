"""A pod's sandbox: the network, IPC and UTS namespaces that its containers share."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from pathlib import Path

from pgnb_rehearsal.pods.container import Container
from pgnb_rehearsal.pods.control import Child, Control


@dataclass
class Sandbox:
    """What outlives a pod's containers; `ip` is its address, `hosts` the file that is its /etc/hosts."""

    uid: str
    hostname: str
    ip: str
    hosts: Path
    control: Control
    pause: Child
    containers: list[Container] = field(default_factory=list)

    async def connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to 127.0.0.1:`port` inside the pod, as port-forward makes it; OSError when refused."""
        connection = await self.dial("127.0.0.1", port)
        try:
            return await asyncio.open_connection(sock=connection)
        except BaseException:
            connection.close()
            raise

    async def dial(self, host: str, port: int) -> socket.socket:
        """A connection to `host`:`port` that has the pod's own address at this end; OSError when refused."""
        connection = await self.control.socket_in(self.pause.pid)
        try:
            await asyncio.get_running_loop().sock_connect(connection, (host, port))
        except BaseException:
            connection.close()
            raise
        return connection
