"""A store with controllers on it, and a hand that does to pods what a kubelet would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pgnb_rehearsal.api.store import Object, Store
from pgnb_rehearsal.controllers.clock import now

NAMESPACE = "ns"
NODE = "node"
_TURNS = 50
"""Turns of the event loop in which controllers see a change, however late a busy machine gives them."""


class Bench:
    """The store, and pods' lives by hand."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._addresses = 1

    async def until(self, condition: Callable[[], Any], timeout: float = 60.0) -> Any:
        deadline = asyncio.get_running_loop().time() + timeout
        while not (found := condition()):
            assert asyncio.get_running_loop().time() < deadline, "the controllers did not get there in time"
            await asyncio.sleep(0.002)
        return found

    async def settled(self) -> None:
        """Nothing has changed in the store for a while."""
        version = ""
        while version != self.store.resource_version:
            version = self.store.resource_version
            await asyncio.sleep(0.03)
            for _ in range(_TURNS):
                await asyncio.sleep(0)

    def pods(self, labels: str = "") -> list[Object]:
        return self.store.list("pods", NAMESPACE, labels=labels)

    def live_pods(self) -> list[Object]:
        return [pod for pod in self.pods() if "deletionTimestamp" not in pod["metadata"]]

    def run(self, pod: Object, *, ready: bool = True) -> None:
        """The pod's containers run (and are ready)."""
        self._addresses += 1
        address = f"10.244.0.{self._addresses}"

        def change(current: Object) -> None:
            others = [c for c in current["status"].get("conditions") or () if c["type"] != "Ready"]
            state = {"type": "Ready", "status": str(ready), "lastTransitionTime": now()}
            current["status"] |= {"phase": "Running", "conditions": [*others, state], "podIP": address}

        self._status(pod, change)

    def end(self, pod: Object, phase: str, code: int | None = None, *, because: str = "") -> None:
        """The pod's containers have ended, with an exit status of 0, of 1, or of `code`; `because` names a
        condition that the pod has since."""

        def change(current: Object) -> None:
            exited = int(phase == "Failed") if code is None else code
            terminated = {"exitCode": exited, "finishedAt": now()}
            unready = {"type": "Ready", "status": "False", "lastTransitionTime": now()}
            reason = [unready | {"type": because, "status": "True"}] if because else []
            current["status"] |= {
                "phase": phase,
                "conditions": [unready, *reason],
                "containerStatuses": [
                    {"name": "main", "restartCount": 0, "state": {"terminated": terminated}}
                ],
            }

        self._status(pod, change)

    def restarted(self, pod: Object, times: int) -> None:
        """The pod's container was started again so many times."""
        status = {"name": "main", "restartCount": times, "state": {"running": {"startedAt": now()}}}
        self._status(pod, lambda current: current["status"].update(containerStatuses=[status]))

    def remove(self, pod: Object) -> None:
        """The last step of a pod that was told to end."""
        self.store.remove("pods", NAMESPACE, pod["metadata"]["name"])

    def _status(self, pod: Object, change: Callable[[Object], None]) -> None:
        self.store.modify("pods", NAMESPACE, pod["metadata"]["name"], change, subresource="status")

    def events(self, reason: str) -> list[str]:
        return [e["message"] for e in self.store.list("events", NAMESPACE) if e["reason"] == reason]


def template(image: str = "postgres:17", **spec: Any) -> Object:
    return {
        "metadata": {"labels": {"app": "db"}},
        "spec": {"containers": [{"name": "main", "image": image}], **spec},
    }


def workload(kind: str, **spec: Any) -> Object:
    """A Deployment, ReplicaSet or StatefulSet called db."""
    selector = {"matchLabels": {"app": "db"}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "db", "namespace": NAMESPACE, "labels": {"app": "db"}},
        "spec": {"selector": selector, "template": template(), **spec},
    }


def job(name: str = "job", **spec: Any) -> Object:
    """A Job whose pods are not started again; `spec` is what it says beside its template."""
    pod = template(restartPolicy="Never")
    pod["metadata"] = {}
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"template": pod, **spec}}


def indexed(completions: int, parallelism: int, **spec: Any) -> Object:
    """An indexed Job."""
    return job(completionMode="Indexed", completions=completions, parallelism=parallelism, **spec)
