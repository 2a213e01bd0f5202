"""The scheduler of a cluster with one node: binds a pod, or says why it cannot."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.store import Event, Store
from pgnb_rehearsal.controllers.base import Controller, key_of
from pgnb_rehearsal.controllers.claims import claim_names
from pgnb_rehearsal.controllers.clock import now
from pgnb_rehearsal.controllers.events import SchedulerEvents
from pgnb_rehearsal.controllers.pods import ENDED, condition, phase
from pgnb_rehearsal.controllers.queue import Key
from pgnb_rehearsal.controllers.requests import requests_of, total

_NO_HELP = (
    " no new claims to deallocate, preemption: 0/1 nodes are available: "
    "1 Preemption is not helpful for scheduling."
)


class Scheduler(Controller):
    """Binds pods that have no node yet to `node`."""

    resource = "pods"
    watches = ("persistentvolumeclaims", "nodes")

    def __init__(self, store: Store, node: str) -> None:
        super().__init__(store)
        self._node = node
        self._events = SchedulerEvents(store, node)

    def keys(self, plural: str, event: Event) -> Iterable[Key]:
        if plural == "pods" and event.type != "DELETED" and not event.object["spec"].get("nodeName"):
            return (key_of(event.object),)
        if plural == "pods" and event.type == "MODIFIED" and phase(event.object) not in ENDED:
            return ()
        return self._unscheduled()  # a claim was bound, a pod gave up its resources, or the node changed

    def _unscheduled(self) -> Iterable[Key]:
        pods = self.store.list("pods", fields="spec.nodeName=")
        return [key_of(pod) for pod in pods]

    def reconcile(self, key: Key) -> float | None:
        pod = self.store.find("pods", *key)
        if pod is None or pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
            return None
        if pod["spec"].get("schedulerName", "default-scheduler") != "default-scheduler":
            return None
        why = self._obstacle(pod)
        if why:
            self._refuse(pod, f"0/1 nodes are available: {why}")
        else:
            self._bind(pod)
        return None

    def _obstacle(self, pod: Object) -> str:
        return self._claims_obstacle(pod) or self._node_obstacle(pod)

    def _claims_obstacle(self, pod: Object) -> str:
        namespace = pod["metadata"]["namespace"]
        for name in claim_names(pod):
            claim = self.store.find("persistentvolumeclaims", namespace, name)
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found. not found'
            if "deletionTimestamp" in claim["metadata"]:
                return f'persistentvolumeclaim "{name}" is being deleted. not found'
            if claim["status"].get("phase") != "Bound":
                return "pod has unbound immediate PersistentVolumeClaims. not found"
        return ""

    def _node_obstacle(self, pod: Object) -> str:
        node = self.store.get("nodes", None, self._node)
        wanted = (pod["spec"].get("nodeSelector") or {}).items()
        if node["spec"].get("unschedulable"):
            return f"1 node(s) were unschedulable.{_NO_HELP}"
        if _repels(node, pod):
            return f"1 node(s) had untolerated taint(s).{_NO_HELP}"
        if not wanted <= (node["metadata"].get("labels") or {}).items():
            return f"1 node(s) didn't match Pod's node affinity/selector.{_NO_HELP}"
        short = self._short_of(pod, node)
        return f"{', '.join(f'1 Insufficient {name}' for name in short)}.{_NO_HELP}" if short else ""

    def _short_of(self, pod: Object, node: Object) -> list[str]:
        """The resources that the node has not enough of."""
        placed = self.store.list("pods", fields=f"spec.nodeName={self._node}")
        used = total([requests_of(other) for other in placed if phase(other) not in ENDED])
        free = total([node["status"]["allocatable"]])
        wanted = requests_of(pod)
        return sorted(
            name
            for name, amount in wanted.items()
            if amount > free.get(name, Decimal(0)) - used.get(name, Decimal(0))
        )

    def _bind(self, pod: Object) -> None:
        namespace, name = key_of(pod)

        def change(current: Object) -> None:
            current["spec"]["nodeName"] = self._node
            _set_scheduled(current, {"status": "True"})

        self.store.modify("pods", namespace, name, change, subresource="binding")
        message = f"Successfully assigned {namespace}/{name} to {self._node}"
        self._events.record(pod, "Normal", "Scheduled", "Binding", message)

    def _refuse(self, pod: Object, message: str) -> None:
        present = condition(pod, "PodScheduled")
        if present is not None and present.get("message") == message:
            return
        self._events.record(pod, "Warning", "FailedScheduling", "Scheduling", message)
        note = {"observedGeneration": pod["metadata"].get("generation", 1), "status": "False"}
        why = {"reason": "Unschedulable", "message": message}
        self.store.modify(
            "pods", *key_of(pod), lambda current: _set_scheduled(current, note, why), subresource="status"
        )


def _repels(node: Object, pod: Object) -> bool:
    """Whether the node has a taint against scheduling that the pod does not tolerate."""
    tolerations = pod["spec"].get("tolerations") or []
    taints = [t for t in node["spec"].get("taints") or () if t["effect"] in ("NoSchedule", "NoExecute")]
    return not all(any(_tolerates(toleration, taint) for toleration in tolerations) for taint in taints)


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    same = toleration.get("key") == taint["key"]
    return bool(same and toleration.get("value", "") == taint.get("value", ""))


def _set_scheduled(pod: Object, head: Object, tail: Object | None = None) -> None:
    status = pod.setdefault("status", {})
    others = [entry for entry in status.get("conditions") or () if entry["type"] != "PodScheduled"]
    times = {"lastProbeTime": None, "lastTransitionTime": now()}
    status["conditions"] = [*others, {"type": "PodScheduled"} | head | times | (tail or {})]
