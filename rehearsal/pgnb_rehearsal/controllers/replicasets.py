"""ReplicaSets: as many pods as `spec.replicas` says (kubernetes, pkg/controller/replicaset)."""

from __future__ import annotations

from typing import Any, NamedTuple

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.controllers.base import Controller, key_of
from pgnb_rehearsal.controllers.clock import now
from pgnb_rehearsal.controllers.events import EventRecorder
from pgnb_rehearsal.controllers.pods import (
    first_to_go,
    from_template,
    is_active,
    is_available,
    is_ready,
    is_terminating,
    pods_of,
    ready_for,
)
from pgnb_rehearsal.controllers.queue import Key


class _Pods(NamedTuple):
    active: list[Object]
    terminating: list[Object]


class ReplicaSetController(Controller):
    resource = "replicasets"
    watches = ("pods",)

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._events = EventRecorder(store, "replicaset-controller")

    @property
    def owner_kind(self) -> str:
        return "ReplicaSet"

    def reconcile(self, key: Key) -> float | None:
        replica_set = self.store.find("replicasets", *key)
        if replica_set is None:
            return None
        owned = pods_of(self.store, replica_set)
        pods = _Pods([pod for pod in owned if is_active(pod)], [pod for pod in owned if is_terminating(pod)])
        failure = None
        if "deletionTimestamp" not in replica_set["metadata"]:
            failure = self._manage(replica_set, pods.active)
        status = _status(replica_set, pods, failure)
        if status != replica_set.get("status"):
            self.store.update("replicasets", replica_set | {"status": status}, subresource="status")
        if failure is not None:
            raise failure
        return _when_available(replica_set, pods.active)

    def _manage(self, replica_set: Object, active: list[Object]) -> StatusError | None:
        """Creates or deletes pods; returns the refusal that stopped it."""
        missing = replica_set["spec"]["replicas"] - len(active)
        try:
            for _ in range(missing):
                self._create(replica_set)
            for pod in first_to_go(active)[: max(0, -missing)]:
                self._delete(replica_set, pod)
        except StatusError as refused:
            return refused
        return None

    def _create(self, replica_set: Object) -> None:
        try:
            pod = self.store.create("pods", from_template(replica_set["spec"]["template"], replica_set))
        except StatusError as refused:
            self._events.warning(replica_set, "FailedCreate", f"Error creating: {refused.message}")
            raise
        self._events.normal(replica_set, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")

    def _delete(self, replica_set: Object, pod: Object) -> None:
        namespace, name = key_of(pod)
        self.store.delete("pods", namespace, name, uid=pod["metadata"]["uid"])
        self._events.normal(replica_set, "SuccessfulDelete", f"Deleted pod: {name}")


def _status(replica_set: Object, pods: _Pods, failure: StatusError | None) -> Object:
    """The status, fields that are zero left out as Go's `omitempty` does (but for two)."""
    spec = replica_set["spec"]
    wanted = ((spec["template"].get("metadata") or {}).get("labels") or {}).items()
    ready = [pod for pod in pods.active if is_ready(pod)]
    counts = {
        "fullyLabeledReplicas": sum(
            wanted <= (pod["metadata"].get("labels") or {}).items() for pod in pods.active
        ),
        "readyReplicas": len(ready),
        "availableReplicas": sum(is_available(pod, spec.get("minReadySeconds", 0)) for pod in ready),
    }
    status: dict[str, Any] = {"replicas": len(pods.active)}
    status |= {name: count for name, count in counts.items() if count}
    status |= {
        "terminatingReplicas": len(pods.terminating),
        "observedGeneration": replica_set["metadata"]["generation"],
    }
    conditions = _conditions(replica_set, failure)
    return status | ({"conditions": conditions} if conditions else {})


def _conditions(replica_set: Object, failure: StatusError | None) -> list[Object]:
    kept = replica_set.get("status", {}).get("conditions") or []
    others = [entry for entry in kept if entry["type"] != "ReplicaFailure"]
    if failure is None:
        return others
    current = [entry for entry in kept if entry["type"] == "ReplicaFailure"]
    return others + (current or [_failed(failure)])


def _failed(failure: StatusError) -> Object:
    return {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": now(),
        "reason": "FailedCreate",
        "message": failure.message,
    }


def _when_available(replica_set: Object, active: list[Object]) -> float | None:
    """Seconds until the next Ready pod has been so for minReadySeconds."""
    wanted = replica_set["spec"].get("minReadySeconds", 0)
    rest = [wanted - ready_for(pod) for pod in active if is_ready(pod) and not is_available(pod, wanted)]
    return min(rest, default=None)
