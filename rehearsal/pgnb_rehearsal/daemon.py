"""The daemon of a rehearsal cluster: API server, controllers and node in one process, inside the wrapper.

`python -m pgnb_rehearsal.daemon STATE LISTENER PIPE`: the state directory, and the file descriptors of the
API server's listening socket and of the pipe on which `up` says that it has written down the daemon's PID.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from pgnb_rehearsal.api.access import Credentials
from pgnb_rehearsal.api.server import build_app
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.certificates import Certificates
from pgnb_rehearsal.cluster_objects import API_PORT, create_cluster_objects
from pgnb_rehearsal.controllers.events import EventRecorder
from pgnb_rehearsal.manager import controllers
from pgnb_rehearsal.node.kubelet import Kubelet
from pgnb_rehearsal.node.node_context import Directories, NodeContext
from pgnb_rehearsal.node.volume_sources import Token
from pgnb_rehearsal.pods.identity import container_id, many_users
from pgnb_rehearsal.pods.network import NODE_ADDRESS
from pgnb_rehearsal.pods.runtime import Runtime
from pgnb_rehearsal.settings import Settings
from pgnb_rehearsal.state import State

NODE = "rehearsal"
_STATE_WATCH = 1.0


async def serve(state: State, listener: socket.socket) -> None:
    """Runs the cluster until it is told to end, or its state directory is gone."""
    settings = Settings.read(state.settings)
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    store, credentials = Store(), Credentials(settings.token)
    copies, images = settings.options.initdb_copies, settings.options.images
    runtime = Runtime(
        initdb_copies=None if copies is None else Path(copies),
        images={name: Path(directory) for name, directory in images.items()},
    )
    await runtime.start()
    kubelet = _kubelet(store, credentials, runtime, state, settings)
    app = build_app(store, kubelet, credentials)
    create_cluster_objects(store, NODE, address=NODE_ADDRESS)
    loops = [kubelet.run(), _watch_state(state, over), *_controllers(store, state, settings)]
    tasks = [asyncio.create_task(_kept_alive(loop, over)) for loop in loops]
    runner = await _served(app, listener, settings.certificates)
    logging.info("cluster %s serves on port %d", settings.name, listener.getsockname()[1])
    await over.wait()
    logging.info("cluster %s ends", settings.name)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await runner.cleanup()


def _kubelet(
    store: Store, credentials: Credentials, runtime: Runtime, state: State, settings: Settings
) -> Kubelet:
    """The node's agent with its equipment."""
    context = NodeContext(
        store=store,
        runtime=runtime,
        events=EventRecorder(store, "kubelet", host=NODE),
        directories=Directories(state.node, container_id(), many_users()),
        node_name=NODE,
        token=_minter(store, credentials),
    )
    delay = settings.options.volume_delay
    return Kubelet(context) if delay is None else Kubelet(context, volume_delay=delay)


def _minter(store: Store, credentials: Credentials) -> Token:
    """Tokens for the pods' service accounts."""

    def mint(namespace: str, account: str, source: Mapping[str, object]) -> str:
        found = store.get("serviceaccounts", namespace, account)
        seconds = int(str(source.get("expirationSeconds") or 3600))
        audience = source.get("audience")
        if audience:
            return credentials.issue(found, seconds=seconds, audiences=(str(audience),))
        return credentials.issue(found, seconds=seconds)

    return mint


def _controllers(store: Store, state: State, settings: Settings) -> list[Coroutine[Any, Any, None]]:
    made = controllers(
        store,
        node=NODE,
        volumes=state.volumes,
        owner=container_id(),
        ca_certificate=settings.certificates.ca,
    )
    return [controller.run() for controller in made]


async def _kept_alive(loop: Coroutine[Any, Any, None], over: asyncio.Event) -> None:
    """A part that fails takes the cluster down, loudly: half a cluster would only mislead."""
    try:
        await loop
    except Exception:
        logging.exception("a part of the cluster failed")
    over.set()


async def _served(app: web.Application, listener: socket.socket, issued: Certificates) -> web.AppRunner:
    """Serves the API over TLS on the inherited socket, and for pods on the node's address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    context = _tls(issued)
    await web.SockSite(runner, listener, ssl_context=context).start()
    await web.TCPSite(runner, NODE_ADDRESS, API_PORT, ssl_context=context).start()
    return runner


def _tls(issued: Certificates) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # A file of this process's memory: a daemon that is killed leaves no key.
    with os.fdopen(os.memfd_create("pgnb-tls"), "w") as file:
        file.write(issued.key + issued.server)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return context


async def _watch_state(state: State, over: asyncio.Event) -> None:
    """Ends the cluster when its state directory was deleted under it."""
    while state.settings.exists() and not over.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _STATE_WATCH)
    over.set()


def main(arguments: list[str]) -> int:
    path, listener, pipe = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with open(pipe, "rb") as word:
        if not word.read(1):
            return 1  # whoever started this daemon is gone and does not know it
    with socket.socket(fileno=listener) as inherited:
        asyncio.run(serve(State(path.name, path), inherited))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
