"""A process inside a wrapper: starts a pod, says so to whoever connects, and serves until it is ended.

errand.py DIRECTORY LISTENER_FD
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

from pgnb_rehearsal.pods.container import Container, ContainerSpec, Mount
from pgnb_rehearsal.pods.identity import container_id
from pgnb_rehearsal.pods.runtime import Runtime


async def main(directory: Path, listener: socket.socket) -> None:
    runtime = Runtime()
    await runtime.start()
    container = await start(runtime, directory)
    facts = {"owner": container_id(), "uid": os.getuid(), "inside": await ask(container, "id -u; pwd")}

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(facts).encode() + b"\n")
        writer.close()

    server = await asyncio.start_server(answer, sock=listener)
    await server.serve_forever()


async def start(runtime: Runtime, directory: Path) -> Container:
    """A PostgreSQL with a second process beside it, ready to answer."""
    hosts, data = directory / "hosts", directory / "data"
    hosts.write_text("127.0.0.1 localhost\n")
    data.mkdir(exist_ok=True)
    os.chown(data, container_id(), container_id())
    sandbox = await runtime.create_sandbox("uid", "pod", hosts)
    spec = ContainerSpec(
        name="main",
        image=runtime.image("postgres:17"),
        argv=(),
        env={"POSTGRES_PASSWORD": "secret"},
        working_dir="",
        mounts=(Mount(data, "/var/lib/postgresql/data", False),),
        uid=999,
        gid=999,
        log=directory / "container.log",
    )
    container = await runtime.start_container(sandbox, spec)
    while container.running:
        try:
            _, writer = await asyncio.open_connection(sandbox.ip, 5432)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return container
    raise SystemExit(spec.log.read_text())


async def ask(container: Container, script: str) -> str:
    process = await container.exec(["sh", "-c", script])
    answer = await process.stdout.read()
    await process.wait()
    process.close()
    return answer.decode()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))))
