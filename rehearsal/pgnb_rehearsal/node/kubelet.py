"""The node: runs the pods that are bound to it, serves their logs and streams, and forwards Services."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.store import Event
from pgnb_rehearsal.node import execution, forwarding, logs
from pgnb_rehearsal.node.api_errors import container_name, internal_error
from pgnb_rehearsal.node.hosts import HostsFile, names
from pgnb_rehearsal.node.node_context import NodeContext
from pgnb_rehearsal.node.services import ServiceProxy
from pgnb_rehearsal.node.worker import PodWorker
from pgnb_rehearsal.pods import syscalls
from pgnb_rehearsal.pods.container import Container
from pgnb_rehearsal.pods.sandbox import Sandbox

logger = logging.getLogger(__name__)

VOLUME_DELAY = 10.0
"""Seconds after which the files of a changed ConfigMap or Secret are seen; a real kubelet takes up to a
minute or more (its sync period and its cache)."""


class Kubelet:
    """Serves as the API server's `Node`. `volume_delay`: seconds by which volumes follow their objects."""

    def __init__(self, context: NodeContext, *, volume_delay: float = VOLUME_DELAY) -> None:
        self._context = context
        self._volume_delay = volume_delay
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Runs until cancelled; `stop()` then ends what is left."""
        self._prepare()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_pods())
            group.create_task(self._follow_volumes())
            group.create_task(self._follow_names())
            group.create_task(ServiceProxy(self._context.store, self._sandboxes).run())

    def _prepare(self) -> None:
        """A tmpfs for what must not reach a disk; it goes with the node's mount namespace."""
        memory = self._context.directories.memory
        memory.mkdir(parents=True, exist_ok=True)
        syscalls.mount("tmpfs", str(memory), "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=711")

    async def stop(self) -> None:
        """End all pods at once, without touching their objects."""
        for worker in self._workers.values():
            worker.kill_now()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _sandboxes(self) -> list[Sandbox]:
        return [worker.sandbox for worker in self._workers.values() if worker.sandbox is not None]

    # -- pods ----------------------------------------------------------------------------------------------

    async def _follow_pods(self) -> None:
        subscription = self._context.store.subscribe("pods")
        try:
            async for event in subscription:
                if event.object["spec"].get("nodeName") == self._context.node_name:
                    self._handle_event(event)
        finally:
            subscription.close()

    def _handle_event(self, event: Event) -> None:
        pod, uid = event.object, event.object["metadata"]["uid"]
        worker = self._workers.get(uid)
        if event.type == "DELETED":
            if worker is not None:
                worker.kill_now()
        elif worker is not None:
            worker.update(pod)
        elif (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            self._start_worker(pod)
        elif pod["metadata"].get("deletionGracePeriodSeconds"):
            metadata = pod["metadata"]
            self._context.store.remove("pods", metadata["namespace"], metadata["name"], uid=uid)

    def _start_worker(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        hosts = HostsFile(self._context.directories.hosts(uid), pod)
        hosts.set_names(names(self._context.store))
        self._workers[uid] = PodWorker(pod, self._context, hosts)
        self._tasks[uid] = asyncio.get_running_loop().create_task(self._look_after(self._workers[uid]))

    async def _look_after(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:
            logger.exception("pod %s was given up", worker.pod["metadata"]["name"])
        finally:
            del self._workers[worker.uid]
            del self._tasks[worker.uid]

    # -- what pods see of other objects --------------------------------------------------------------------

    async def _follow_volumes(self) -> None:
        subscription = self._context.store.subscribe("configmaps", "secrets")
        loop = asyncio.get_running_loop()
        try:
            async for event in subscription:
                if event.type != "DELETED":
                    loop.call_later(self._volume_delay, self._refresh, event.object)
        finally:
            subscription.close()

    def _refresh(self, changed: Object) -> None:
        """The delay after a change is over; an object that has changed again since has a delay of its own."""
        plural = "configmaps" if changed["kind"] == "ConfigMap" else "secrets"
        metadata = changed["metadata"]
        present = self._context.store.find(plural, metadata["namespace"], metadata["name"])
        if present is None or present["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            return
        for worker in self._workers.values():
            if worker.pod["metadata"]["namespace"] == metadata["namespace"]:
                worker.volumes.refresh(plural, metadata["name"])

    async def _follow_names(self) -> None:
        subscription = self._context.store.subscribe("services", "endpointslices")
        try:
            async for _ in subscription:
                while subscription.pending() is not None:
                    continue  # one look at all of them is enough
                known = names(self._context.store)
                for worker in self._workers.values():
                    worker.hosts.set_names(known)
        finally:
            subscription.close()

    # -- subresources --------------------------------------------------------------------------------------

    async def logs(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """GET pods/log; StatusError 400 and 422."""
        wanted = logs.options(pod, request.query)
        if not pod["spec"].get("nodeName"):
            return web.Response(status=204)
        uid = pod["metadata"]["uid"]
        worker = self._workers.get(uid)
        containers = {} if worker is None else {state.name: state for state in worker.containers}
        container = containers.get(wanted.container)
        path = logs.log_path(
            pod, container, wanted, lambda name, run: self._context.directories.log(uid, name, run)
        )
        return await logs.send(request, path, wanted, lambda: logs.grows(container, path))

    async def exec(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """GET or POST pods/exec over a WebSocket; StatusError 400, 403, 500."""
        wanted = execution.options(request)
        name = container_name(pod, request.query.get("container", ""))
        container = self._running(pod, name)
        if container is None:
            raise internal_error(f'unable to upgrade connection: container not found ("{name}")')
        return await execution.serve(request, container, wanted)

    async def portforward(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """GET or POST pods/portforward over a WebSocket; StatusError 400, 403, 500."""
        ports = forwarding.ports(request)
        worker = self._workers.get(pod["metadata"]["uid"])
        if worker is None or worker.sandbox is None:
            name = f"{pod['metadata']['name']}_{pod['metadata']['namespace']}"
            raise internal_error(f'unable to upgrade connection: pod not found ("{name}")')
        return await forwarding.serve(request, worker.sandbox, ports)

    def _running(self, pod: Object, name: str) -> Container | None:
        worker = self._workers.get(pod["metadata"]["uid"])
        return (
            None if worker is None or worker.pod_containers is None else worker.pod_containers.process(name)
        )
