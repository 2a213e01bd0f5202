"""What controllers ask about pods, and how they make them from a template."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.controllers.base import is_controlled_by, owner_reference
from pgnb_rehearsal.controllers.clock import age, parse

ENDED = ("Succeeded", "Failed")


def phase(pod: Object) -> str:
    return str(pod.get("status", {}).get("phase", ""))


def condition(obj: Object, kind: str) -> Object | None:
    """The condition of type `kind` in an object's status, or None."""
    for entry in obj.get("status", {}).get("conditions") or ():
        if entry["type"] == kind:
            return dict(entry)
    return None


def is_ready(pod: Object) -> bool:
    ready = condition(pod, "Ready")
    return ready is not None and ready["status"] == "True"


def ready_for(pod: Object) -> float:
    """Seconds that the pod has been Ready; 0 when it is not."""
    ready = condition(pod, "Ready")
    if ready is None or ready["status"] != "True":
        return 0.0
    return max(0.0, age(ready["lastTransitionTime"]))


def is_available(pod: Object, min_ready_seconds: int) -> bool:
    return is_ready(pod) and (min_ready_seconds == 0 or ready_for(pod) >= min_ready_seconds)


def is_terminating(pod: Object) -> bool:
    """On its way out, and not ended by itself before."""
    return "deletionTimestamp" in pod["metadata"] and phase(pod) not in ENDED


def is_active(pod: Object) -> bool:
    """Neither ended nor on its way out."""
    return "deletionTimestamp" not in pod["metadata"] and phase(pod) not in ENDED


def pods_of(store: Store, owner: Object) -> list[Object]:
    """All pods that `owner` controls, oldest first."""
    pods = [pod for pod in store.list("pods", owner["metadata"]["namespace"]) if is_controlled_by(pod, owner)]
    return sorted(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))


def from_template(
    template: Object, owner: Object, *, name: str = "", labels: Mapping[str, str] | None = None
) -> Object:
    """A pod as a controller creates it: the template's metadata and spec, and an owner."""
    metadata = template.get("metadata") or {}
    made: Object = {
        "namespace": owner["metadata"]["namespace"],
        "generateName": f"{owner['metadata']['name']}-",
    }
    if name:
        made["name"] = name
    made["labels"] = dict(metadata.get("labels") or {}) | dict(labels or {})
    for field in ("annotations", "finalizers"):
        if metadata.get(field):
            made[field] = copy.deepcopy(metadata[field])
    made["ownerReferences"] = [owner_reference(owner)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": copy.deepcopy(template["spec"])}


def first_to_go(pods: Iterable[Object]) -> list[Object]:
    """Pods in the order in which a ReplicaSet gives them up.

    Not scheduled, then not started, then not ready, then the lowest deletion cost, then the one that became
    ready last, the one with most restarts, the youngest (kubernetes, ActivePodsWithRanks).
    """
    return sorted(pods, key=_worth)


def _worth(pod: Object) -> tuple[float, ...]:
    metadata, status = pod["metadata"], pod.get("status", {})
    cost = (metadata.get("annotations") or {}).get("controller.kubernetes.io/pod-deletion-cost", "0")
    restarts = max(
        (entry.get("restartCount", 0) for entry in status.get("containerStatuses") or ()), default=0
    )
    return (
        bool(pod["spec"].get("nodeName")),
        {"Pending": 0, "Unknown": 1}.get(phase(pod), 2),
        is_ready(pod),
        int(cost) if cost.lstrip("-").isdigit() else 0,
        ready_for(pod),
        -restarts,
        -parse(metadata["creationTimestamp"]),
    )
