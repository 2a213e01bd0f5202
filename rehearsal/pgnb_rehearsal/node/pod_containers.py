"""The containers of one pod together: init containers in order, sidecars beside them, then all others.

Kubernetes, "Init Containers" and "Sidecar Containers".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pgnb_rehearsal.node.container_spec import ContainerSpecs
from pgnb_rehearsal.node.runner import Runner
from pgnb_rehearsal.node.states import ContainerState, Terminated
from pgnb_rehearsal.pods.container import Container
from pgnb_rehearsal.pods.sandbox import Sandbox


class PodContainers:
    """Runs `containers` (init containers first) by the pod's restartPolicy, until none will run again."""

    def __init__(
        self,
        containers: Sequence[ContainerState],
        specs: ContainerSpecs,
        sandbox: Sandbox,
        policy: str,
        report: Callable[[], None],
    ) -> None:
        self._specs = specs
        self._report = report
        self._changed = asyncio.Event()
        self._runners = [self._runner(state, sandbox, policy) for state in containers]
        self._stopped = False
        self._until = 0.0

    def _runner(self, state: ContainerState, sandbox: Sandbox, policy: str) -> Runner:
        if state.init:
            policy = "Always" if state.sidecar else "Never" if policy == "Never" else "OnFailure"
        return Runner(state, self._specs, sandbox, policy, self._note)

    def _note(self) -> None:
        self._changed.set()
        self._report()

    def process(self, name: str) -> Container | None:
        """The running process of a container."""
        return next((runner.process for runner in self._runners if runner.state.name == name), None)

    async def run(self) -> None:
        """Returns when every container has ended for good."""
        sidecars: list[tuple[Runner, asyncio.Task[None]]] = []
        try:
            if await self._initialize(sidecars):
                await self._run_main([runner for runner in self._runners if not runner.state.init])
        finally:
            for runner, task in reversed(sidecars):
                runner.stop(self._left())
                await task

    async def _initialize(self, sidecars: list[tuple[Runner, asyncio.Task[None]]]) -> bool:
        """Run the init containers; False when one of them failed for good, or all is to end."""
        for runner in (runner for runner in self._runners if runner.state.init):
            if self._stopped:
                return False
            if runner.state.sidecar:
                task = asyncio.ensure_future(runner.run())
                sidecars.append((runner, task))
                await self._started(runner, task)
            else:
                await runner.run()
                ended = runner.state.state
                if not isinstance(ended, Terminated) or ended.exit_code != 0:
                    return False
        return not self._stopped

    async def _run_main(self, runners: Sequence[Runner]) -> None:
        """Start the containers one after the other, and wait for the end of all."""
        async with asyncio.TaskGroup() as group:
            for runner in runners:
                group.create_task(runner.run())
                await runner.tried.wait()

    async def _started(self, runner: Runner, task: asyncio.Task[None]) -> None:
        while not (runner.state.started or task.done() or self._stopped):
            self._changed.clear()
            await self._changed.wait()

    def stop(self, grace: float, why: str = "") -> None:
        """End all containers within `grace` seconds: sidecars after the others."""
        self._stopped = True
        self._until = asyncio.get_running_loop().time() + grace
        self._changed.set()
        for runner in self._runners:
            if not runner.state.sidecar or grace == 0:
                runner.stop(grace, why)

    def _left(self) -> float:
        """The sidecars' part of the grace period: all of it when the others ended by themselves."""
        if self._stopped:
            return self._until - asyncio.get_running_loop().time()
        return float(self._specs.pod["spec"].get("terminationGracePeriodSeconds", 30))
