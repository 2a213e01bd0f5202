"""How a run of a container ends on an order: preStop, the stop signal, SIGKILL.

Kubernetes, "Pod Lifecycle: Termination of Pods".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.node import hooks
from pgnb_rehearsal.node.probes import Target
from pgnb_rehearsal.node.waiting import before

SHORTEST_GRACE = 2.0
"""Seconds that every container has between its stop signal and SIGKILL, also when less was asked for."""

Tell = Callable[[str, str], None]


class Ending:
    """The order to end one run; it may be given again, with a shorter grace period, never a longer one."""

    def __init__(self) -> None:
        self.ordered = asyncio.Event()
        self._hurry = asyncio.Event()
        self._why = ""

    def order(self, why: str, grace: float) -> None:
        """End the run within `grace` seconds (at least SHORTEST_GRACE); `why` becomes the event's text."""
        self._why = self._why or why
        asyncio.get_running_loop().call_later(max(grace, SHORTEST_GRACE), self._hurry.set)
        self.ordered.set()

    async def carry_out(self, target: Target, tell: Tell, warn: Tell) -> None:
        """Stop the container; returns once it has its last signal, or has ended."""
        tell("Killing", self._why)
        hook = (target.spec.get("lifecycle") or {}).get("preStop")
        if hook and not await self._pre_stop(hook, target, warn):
            asyncio.get_running_loop().call_later(SHORTEST_GRACE, self._hurry.set)
        process = target.container
        process.signal(stop_signal(target.spec, process.spec.image.stop_signal))
        if not await before(process.wait(), self._hurry):
            process.signal("SIGKILL")

    async def _pre_stop(self, hook: Object, target: Target, warn: Tell) -> bool:
        """Run the hook as long as the grace period lasts; False when it took all of it."""
        running = asyncio.ensure_future(hooks.run(hook, target))
        if await before(running, self._hurry):
            if failure := running.result():
                warn("FailedPreStopHook", f"PreStopHook failed: {failure}")
            return True
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        self._hurry = asyncio.Event()
        return False


def stop_signal(container: Object, of_image: str) -> str:
    """The signal that asks a container to stop: its own, or its image's."""
    return str((container.get("lifecycle") or {}).get("stopSignal") or of_image)
