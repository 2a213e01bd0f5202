"""One pod on the node, from the moment it is bound until it is gone: kubelet's pod worker.

    volumes ─ sandbox ─ init containers and sidecars ─ containers ─ (ended | deleted | deadline) ─ teardown

Nothing here is cancelled in the middle: whoever wants the pod to end calls `update` with a deleted pod, or
`kill_now`, and every wait listens to that.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.node.backoff import MOUNT_FIRST, MOUNT_MOST, BackOff
from pgnb_rehearsal.node.container_spec import ContainerSpecs
from pgnb_rehearsal.node.hosts import HostsFile
from pgnb_rehearsal.node.node_context import NodeContext
from pgnb_rehearsal.node.pod_containers import PodContainers
from pgnb_rehearsal.node.runner import SYNC
from pgnb_rehearsal.node.states import ContainerState, Running, Waiting, now
from pgnb_rehearsal.node.status import PodFacts, pod_status
from pgnb_rehearsal.node.volume_sources import MountError, Origins
from pgnb_rehearsal.node.volumes import PodVolumes
from pgnb_rehearsal.node.waiting import set_within
from pgnb_rehearsal.pods.network import NODE_ADDRESS
from pgnb_rehearsal.pods.sandbox import Sandbox

logger = logging.getLogger(__name__)

_DEADLINE = ("Failed", "DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


class PodWorker:
    """Runs `pod`; `hosts` is its /etc/hosts, which others keep up to date."""

    def __init__(self, pod: Object, context: NodeContext, hosts: HostsFile) -> None:
        self.pod = pod
        self.uid = str(pod["metadata"]["uid"])
        self.hosts = hosts
        self.sandbox: Sandbox | None = None
        self.containers = container_states(pod)
        self._context = context
        origins = Origins(context.store, pod, context.allocatable, context.token)
        self.volumes = PodVolumes(origins, context.directories.place(self.uid))
        self._specs = ContainerSpecs(pod, context, self.volumes)
        self.pod_containers: PodContainers | None = None
        self._facts: dict[str, str] = {"host_ip": NODE_ADDRESS, "start_time": now()}
        self._verdict: tuple[str, str, str] | None = None
        self._over = False
        self._stopping = asyncio.Event()
        self._gone = asyncio.Event()
        self._grace = 0.0

    # -- from outside --------------------------------------------------------------------------------------

    def update(self, pod: Object) -> None:
        """A newer version of the pod: its deletion may have begun, or have become more urgent."""
        self._see(pod)
        if "deletionTimestamp" in pod["metadata"]:
            grace = float(pod["metadata"].get("deletionGracePeriodSeconds") or 0)
            if not self._stopping.is_set():
                self.report()
            self._stop(grace)

    def _see(self, pod: Object) -> None:
        """Take over a version of the pod; its containers are made from it, with the address that it has."""
        self.pod = pod
        address = self._facts.get("pod_ip")
        addresses = {"podIP": address, "podIPs": [{"ip": address}]} if address else {}
        status = {**(pod.get("status") or {}), "hostIP": NODE_ADDRESS, **addresses}
        self._specs.pod = {**pod, "status": status}

    def kill_now(self) -> None:
        """The object is gone: what still runs is ended at once."""
        self._gone.set()
        self._stop(0)

    def _stop(self, grace: float, why: str = "") -> None:
        if self._stopping.is_set() and grace >= self._grace:
            return
        self._grace = grace
        self._stopping.set()
        if self.pod_containers is not None:
            self.pod_containers.stop(grace, why)

    # -- the pod's life ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """The whole life; returns when nothing of the pod is left on the node."""
        deadline = self._deadline()
        try:
            if "deletionTimestamp" not in self.pod["metadata"]:
                self.report()
                await self._try_to_live()
            await self._tear_down()
            await self._wait_for_deletion()
        finally:
            if deadline is not None:
                deadline.cancel()
            self._context.directories.forget(self.uid)

    async def _try_to_live(self) -> None:
        try:
            await self._live()
        except Exception as error:
            # A defect of the node must not leave a pod that nobody looks after: it ends, and says why.
            logger.exception("pod %s failed", self.pod["metadata"]["name"])
            self._verdict = ("Failed", "NodeFailure", f"{type(error).__name__}: {error}")

    async def _live(self) -> None:
        if not await self._set_up_volumes():
            return
        self.sandbox = await self._create_sandbox()
        if self.sandbox is None:
            return
        self.report()
        self._show_address(self.sandbox.ip)
        policy = self.pod["spec"].get("restartPolicy", "Always")
        self.pod_containers = PodContainers(self.containers, self._specs, self.sandbox, policy, self.report)
        if not self._stopping.is_set():
            await self.pod_containers.run()

    async def _set_up_volumes(self) -> bool:
        """Set up all volumes, trying until it works; False when the pod is to end before that."""
        back_off = BackOff(MOUNT_FIRST, MOUNT_MOST, at_once=False)
        while not self._stopping.is_set():
            try:
                self.volumes.set_up()
            except MountError as error:
                self._context.events.warning(self.pod, "FailedMount", str(error))
                await set_within(self._stopping, back_off.pause())
            else:
                return True
        return False

    async def _create_sandbox(self) -> Sandbox | None:
        name = self.pod["spec"].get("hostname") or self.pod["metadata"]["name"]
        while not self._stopping.is_set():
            try:
                return await self._context.runtime.create_sandbox(self.uid, name[:63], self.hosts.path)
            except RehearsalError as error:
                text = f"Failed to create pod sandbox: {error}"
                self._context.events.warning(self.pod, "FailedCreatePodSandBox", text)
                await set_within(self._stopping, SYNC)
        return None

    def _show_address(self, address: str) -> None:
        self._facts["pod_ip"] = address
        self.hosts.set_address(address)
        self._see(self.pod)

    def _deadline(self) -> asyncio.TimerHandle | None:
        """activeDeadlineSeconds, counted from the pod's startTime."""
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is None:
            return None
        started = datetime.fromisoformat(self._facts["start_time"])
        left = seconds - (datetime.now(UTC) - started).total_seconds()
        return asyncio.get_running_loop().call_later(max(left, 0), self._exceed_deadline)

    def _exceed_deadline(self) -> None:
        self._verdict = _DEADLINE
        self._context.events.normal(self.pod, "DeadlineExceeded", _DEADLINE[2])
        self._stop(float(self.pod["spec"].get("terminationGracePeriodSeconds", 30)))

    # -- the end -------------------------------------------------------------------------------------------

    async def _tear_down(self) -> None:
        """Everything has ended. The status says so before the sandbox goes, so that no Service leads to an
        address at which nobody is left to refuse a connection."""
        if "deletionTimestamp" not in self.pod["metadata"] and not self._gone.is_set():
            self.report()
        sandbox, self.sandbox = self.sandbox, None
        self._over = True
        self.report()
        if sandbox is not None:
            await self._context.runtime.remove_sandbox(sandbox)

    async def _wait_for_deletion(self) -> None:
        """A pod that has ended stays, with its logs, until its deletion; a deleted one is gone now."""
        while "deletionTimestamp" not in self.pod["metadata"] and not self._gone.is_set():
            self._stopping.clear()
            await self._stopping.wait()
        metadata = self.pod["metadata"]
        self._context.store.remove("pods", metadata["namespace"], metadata["name"], uid=self.uid)

    # -- the status ----------------------------------------------------------------------------------------

    def report(self) -> None:
        """Write the pod's status, unless its object is gone; the end of all that is being stopped is written
        together with the end of the pod."""
        if self._gone.is_set() or (self._stopping.is_set() and not self._over and not self._runs()):
            return
        metadata = self.pod["metadata"]
        try:
            written = self._context.store.modify(
                "pods", metadata["namespace"], metadata["name"], self._set_status, subresource="status"
            )
            if written["metadata"]["uid"] == self.uid:
                self._see(written)
        except StatusError as error:
            if error.code != 404:
                raise

    def _set_status(self, pod: Object) -> None:
        if pod["metadata"]["uid"] != self.uid:
            return  # another pod has the name by now
        facts = PodFacts(
            **self._facts,
            sandbox=self.sandbox is not None,
            ending=self._stopping.is_set(),
            over=self._over,
            verdict=self._verdict,
        )
        pod["status"] = pod_status(pod, self.containers, facts)

    def _runs(self) -> bool:
        return any(isinstance(container.state, Running) for container in self.containers)


def container_states(pod: Object) -> list[ContainerState]:
    """A pod's containers before anything has happened; those after init containers wait for them."""
    init = pod["spec"].get("initContainers") or ()
    reason = "PodInitializing" if init else "ContainerCreating"
    waiting = [ContainerState(spec, init=True, state=Waiting(reason)) for spec in init]
    return waiting + [ContainerState(spec, state=Waiting(reason)) for spec in pod["spec"]["containers"]]
