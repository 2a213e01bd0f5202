"""StatefulSets: pods with a name and claims of their own, in order (pkg/controller/statefulset)."""

from __future__ import annotations

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.status import StatusError
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.controllers import stateful_pods as identity
from pgnb_rehearsal.controllers.base import Controller, key_of
from pgnb_rehearsal.controllers.events import EventRecorder
from pgnb_rehearsal.controllers.pods import ENDED, is_available, is_ready, phase, pods_of, ready_for
from pgnb_rehearsal.controllers.queue import Key
from pgnb_rehearsal.controllers.revisions import Revisions


class StatefulSetController(Controller):
    resource = "statefulsets"
    watches = ("pods",)

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._events = EventRecorder(store, "statefulset-controller")
        self._revisions = Revisions(store)

    @property
    def owner_kind(self) -> str:
        return "StatefulSet"

    def reconcile(self, key: Key) -> float | None:
        owner = self.store.find("statefulsets", *key)
        if owner is None or "deletionTimestamp" in owner["metadata"]:
            return None
        current, update = self._revisions.of(owner)
        pods = {identity.ordinal(owner, pod): pod for pod in pods_of(self.store, owner)}
        status = _status(owner, list(pods.values()), current, update)
        try:
            self._step(owner, pods, current, update)
        finally:
            if status != owner.get("status"):
                self.store.update("statefulsets", owner | {"status": status}, subresource="status")
        self._revisions.forget(owner, list(pods.values()))
        return _when_available(owner, list(pods.values()))

    def _step(self, owner: Object, pods: dict[int, Object], current: Object, update: Object) -> None:
        """Towards the desired pods: upwards in order, then downwards in reverse, then the newer template."""
        wanted, parallel = identity.ordinals(owner), owner["spec"].get("podManagementPolicy") == "Parallel"
        for number in wanted:
            if self._raise_pod(owner, number, pods.get(number), current, update) and not parallel:
                return
        for number in sorted((n for n in pods if n not in wanted), reverse=True):
            if "deletionTimestamp" not in pods[number]["metadata"]:
                self._delete(owner, pods[number])
            if not parallel:
                return
        if owner["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._update(owner, {number: pods[number] for number in wanted if number in pods}, update)

    def _raise_pod(
        self, owner: Object, number: int, pod: Object | None, current: Object, update: Object
    ) -> bool:
        """Creates a pod that is missing; True when the next one has to wait for it."""
        if pod is not None and phase(pod) in ENDED and "deletionTimestamp" not in pod["metadata"]:
            name = pod["metadata"]["name"]
            self._events.warning(
                owner,
                "RecreatingFailedPod",
                f"StatefulSet {owner['metadata']['namespace']}/"
                f"{owner['metadata']['name']} is recreating failed Pod {name}",
            )
            self._delete(owner, pod)
            return True
        if pod is None:
            self._create(owner, number, update if number >= _partition(owner) else current)
            return True
        waits = not is_available(pod, owner["spec"].get("minReadySeconds", 0))
        return "deletionTimestamp" in pod["metadata"] or waits

    def _update(self, owner: Object, pods: dict[int, Object], update: Object) -> None:
        """Replaces pods of an older template, the highest ordinal first, one at a time."""
        least = _partition(owner)
        for number in sorted((n for n in pods if n >= least), reverse=True):
            pod = pods[number]
            if "deletionTimestamp" in pod["metadata"]:
                return
            if identity.revision_of(pod) != update["metadata"]["name"]:
                self._delete(owner, pod)
                return
            if not is_available(pod, owner["spec"].get("minReadySeconds", 0)):
                return

    def _create(self, owner: Object, number: int, revision: Object) -> None:
        template = identity.template_of(revision)
        pod = identity.build(owner, number, template, revision["metadata"]["name"])
        name, where = pod["metadata"]["name"], owner["metadata"]["name"]
        try:
            self._claim(owner, number, name)
            self.store.create("pods", pod)
        except StatusError as refused:
            message = f"create Pod {name} in StatefulSet {where} failed error: {refused.message}"
            self._events.warning(owner, "FailedCreate", message)
            raise
        self._events.normal(owner, "SuccessfulCreate", f"create Pod {name} in StatefulSet {where} successful")

    def _claim(self, owner: Object, number: int, pod_name: str) -> None:
        for claim in identity.claims(owner, number):
            metadata = claim["metadata"]
            if self.store.find("persistentvolumeclaims", metadata["namespace"], metadata["name"]) is None:
                self.store.create("persistentvolumeclaims", claim)
                message = (
                    f"create Claim {metadata['name']} Pod {pod_name} in StatefulSet "
                    f"{owner['metadata']['name']} success"
                )
                self._events.normal(owner, "SuccessfulCreate", message)

    def _delete(self, owner: Object, pod: Object) -> None:
        namespace, name = key_of(pod)
        self.store.delete("pods", namespace, name, uid=pod["metadata"]["uid"])
        message = f"delete Pod {name} in StatefulSet {owner['metadata']['name']} successful"
        self._events.normal(owner, "SuccessfulDelete", message)


def _partition(owner: Object) -> int:
    rolling = owner["spec"]["updateStrategy"].get("rollingUpdate") or {}
    return int(rolling.get("partition", 0))


def _status(owner: Object, pods: list[Object], current: Object, update: Object) -> Object:
    """The status as the pods are before this step; zeros that Go omits are left out."""
    least, names = (
        owner["spec"].get("minReadySeconds", 0),
        (current["metadata"]["name"], update["metadata"]["name"]),
    )
    live = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    ready = [pod for pod in pods if is_ready(pod)]
    updated = sum(identity.revision_of(pod) == names[1] for pod in live)
    status = {"observedGeneration": owner["metadata"]["generation"], "replicas": len(pods)}
    rolling = owner["spec"]["updateStrategy"]["type"] == "RollingUpdate"
    done = rolling and updated == len(pods) == len(ready) == owner["spec"]["replicas"]
    counts = {
        "readyReplicas": len(ready),
        "currentReplicas": updated if done else sum(identity.revision_of(pod) == names[0] for pod in live),
        "updatedReplicas": updated,
    }
    status |= {name: count for name, count in counts.items() if count}
    return status | {
        "currentRevision": names[1] if done else names[0],
        "updateRevision": names[1],
        "collisionCount": owner.get("status", {}).get("collisionCount", 0),
        "availableReplicas": sum(is_available(pod, least) for pod in ready),
    }


def _when_available(owner: Object, pods: list[Object]) -> float | None:
    least = owner["spec"].get("minReadySeconds", 0)
    rest = [least - ready_for(pod) for pod in pods if is_ready(pod) and not is_available(pod, least)]
    return min(rest, default=None)
