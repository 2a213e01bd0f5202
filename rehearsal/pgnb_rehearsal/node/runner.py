"""One container of a pod, from its first start to its last end: started, probed, restarted, stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pgnb_rehearsal.node import hooks
from pgnb_rehearsal.node.backoff import BackOff, spelled
from pgnb_rehearsal.node.container_spec import ContainerSpecs
from pgnb_rehearsal.node.ending import Ending
from pgnb_rehearsal.node.environment import ConfigError
from pgnb_rehearsal.node.probes import Target, Verdicts, watch_over
from pgnb_rehearsal.node.pulling import Puller
from pgnb_rehearsal.node.states import EPOCH, ContainerState, Running, Terminated, Waiting, new_id, now
from pgnb_rehearsal.node.termination_message import termination_message
from pgnb_rehearsal.node.waiting import set_within
from pgnb_rehearsal.pods.container import Container, ContainerSpec
from pgnb_rehearsal.pods.errors import StartError
from pgnb_rehearsal.pods.sandbox import Sandbox

SYNC = 10.0
"""Seconds between kubelet's looks at a pod in which nothing happens."""


class Runner:
    """Runs one container in a sandbox; `process` is its present run.

    `policy` (Always, OnFailure, Never) decides on another run; `report` is called when `state` has changed.
    """

    def __init__(
        self,
        state: ContainerState,
        specs: ContainerSpecs,
        sandbox: Sandbox,
        policy: str,
        report: Callable[[], None],
    ) -> None:
        self.state = state
        self.process: Container | None = None
        self.tried = asyncio.Event()
        """Set once a first start has succeeded or failed: the next container's turn."""
        self._specs = specs
        self._sandbox = sandbox
        self._policy = policy
        self._report = report
        self._stopping = asyncio.Event()
        self._ending = Ending()

    def stop(self, grace: float, why: str = "") -> None:
        """Let `run()` end: the present run is over within `grace` seconds, and there is no other."""
        self._stopping.set()
        self._ending.order(why or f"Stopping container {self.state.name}", grace)

    async def run(self) -> None:
        """Start the container, and again as its policy has it, until it is done or stopped."""
        back_off = BackOff()
        puller = Puller(self._specs.context.runtime, self._specs.context.events)
        try:
            await self._run(back_off, puller)
        finally:
            self.tried.set()

    async def _run(self, back_off: BackOff, puller: Puller) -> None:
        while not self._stopping.is_set():
            spec = await self._prepared(puller)
            if spec is None:
                continue
            lasted = await self._one_run(spec)
            if self._stopping.is_set() or not self._again():
                return
            await self._rest(back_off.pause(lasted))

    # -- starting ------------------------------------------------------------------------------------------

    async def _prepared(self, puller: Puller) -> ContainerSpec | None:
        """What to start; None after a pause when it can't be made now, which the state then says."""
        pause = SYNC
        image = puller.pull(self._specs.pod, self.state)
        if image is None:
            pause = puller.pause
        else:
            try:
                return self._specs.spec(self.state.spec, image, self.state.runs)
            except ConfigError as error:
                self._warn("Failed", f"Error: {error}")
                self.state.state = Waiting("CreateContainerConfigError", str(error))
        self._report()
        self.tried.set()
        await set_within(self._stopping, pause)
        return None

    async def _one_run(self, spec: ContainerSpec) -> float:
        """One run of the container, to its end; the seconds that it lasted."""
        self._begin(spec)
        shared = bool(self._specs.pod["spec"].get("shareProcessNamespace"))
        try:
            process = await self._specs.context.runtime.start_container(self._sandbox, spec, share_pid=shared)
        except StartError as error:
            self._not_started(error)
            return 0.0
        began = asyncio.get_running_loop().time()
        self.process = process
        self.state.state = Running(now())
        self._tell("Started", "Container started")
        self.tried.set()
        self._ended(await self._attend(process))
        return asyncio.get_running_loop().time() - began

    def _begin(self, spec: ContainerSpec) -> None:
        state = self.state
        if isinstance(state.state, Terminated):
            state.last = state.state
        state.failure = None
        state.restarts = state.runs
        state.runs += 1
        state.container_id = new_id()
        state.image, state.image_id = spec.image.name, spec.image.image_id
        if not self._stopping.is_set():
            self._ending = Ending()
        if state.runs > 2:  # logs of the present and the previous run are kept
            uid, directories = self._specs.pod["metadata"]["uid"], self._specs.context.directories
            directories.log(uid, state.name, state.runs - 3).unlink(missing_ok=True)
        self._tell("Created", "Container created")

    def _not_started(self, error: StartError) -> None:
        text = str(error)
        self._warn("Failed", f"Error: {text}")
        ended = Terminated(error.exit_code, error.reason, EPOCH, now(), self.state.container_id, text)
        self.state.state, self.state.failure = ended, Waiting("RunContainerError", text)
        self._report()
        self.tried.set()

    # -- running -------------------------------------------------------------------------------------------

    async def _attend(self, process: Container) -> int:
        """Watch over the running container until it has ended by itself or on an order; its exit code."""
        target = Target(self.state.spec, process, self._sandbox.ip)
        ended = asyncio.ensure_future(process.wait())
        ordered = asyncio.ensure_future(self._ending.ordered.wait())
        probing = asyncio.ensure_future(self._watch(target))
        try:
            await asyncio.wait((ended, ordered), return_when=asyncio.FIRST_COMPLETED)
            probing.cancel()
            if not ended.done():
                await self._ending.carry_out(target, self._tell, self._warn)
            return await ended
        finally:
            ordered.cancel()
            probing.cancel()
            await asyncio.gather(ordered, probing, return_exceptions=True)

    async def _watch(self, target: Target) -> None:
        hook = (self.state.spec.get("lifecycle") or {}).get("postStart")
        if hook or "startupProbe" in self.state.spec:
            self._report()
        if hook and (failure := await hooks.run(hook, target)):
            self._warn("FailedPostStartHook", f"PostStartHook failed: {failure}")
            self._condemn("FailedPostStartHook")
            return
        verdicts = Verdicts(
            started=self._set_started,
            ready=self._set_ready,
            unhealthy=lambda text: self._warn("Unhealthy", text),
            failed=self._failed,
        )
        await watch_over(target, verdicts)

    def _set_started(self) -> None:
        self.state.started = True
        if "readinessProbe" in self.state.spec:  # otherwise ready follows at once, and is reported with it
            self._report()

    def _set_ready(self, ready: bool) -> None:
        self.state.ready = ready
        self._report()

    def _failed(self, kind: str) -> None:
        self._condemn(f"Container {self.state.name} failed {kind} probe, will be restarted")

    def _condemn(self, why: str) -> None:
        """End this run of the container; the policy decides on another."""
        probe = self.state.spec.get("livenessProbe") or {}
        grace = probe.get("terminationGracePeriodSeconds")
        if grace is None:
            grace = self._specs.pod["spec"].get("terminationGracePeriodSeconds", 30)
        self._ending.order(why, grace)

    def _ended(self, code: int) -> None:
        state = self.state
        started = state.state.started_at if isinstance(state.state, Running) else now()
        text = termination_message(self._specs, state, code)
        reason = "Completed" if code == 0 else "Error"
        state.state = Terminated(code, reason, started, now(), state.container_id, text)
        state.started = state.ready = False
        self.process = None
        self._report()

    # -- again ---------------------------------------------------------------------------------------------

    def _again(self) -> bool:
        failed = not isinstance(self.state.state, Terminated) or self.state.state.exit_code != 0
        return self._policy == "Always" or (self._policy == "OnFailure" and failed)

    async def _rest(self, pause: float) -> None:
        """Wait before the next start; kubelet's next look at the pod finds it in CrashLoopBackOff."""
        look = SYNC if self.state.failure is None else 2 * SYNC
        metadata, whole = self._specs.pod["metadata"], pause
        pod = f"pod {metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        while pause > 0 and not self._stopping.is_set():
            self._warn("BackOff", f"Back-off restarting failed container {self.state.name} in {pod}")
            await set_within(self._stopping, min(look, pause))
            pause, look = pause - look, SYNC
            if pause > 0:
                container = f"container={self.state.name} pod={pod.removeprefix('pod ')}"
                text = f"back-off {spelled(whole)} restarting failed {container}"
                self.state.failure = Waiting("CrashLoopBackOff", text)
                self._report()

    def _tell(self, reason: str, message: str) -> None:
        self._specs.context.events.normal(self._specs.pod, reason, message, field=self.state.field_path)

    def _warn(self, reason: str, message: str) -> None:
        self._specs.context.events.warning(self._specs.pod, reason, message, field=self.state.field_path)
