"""A Deployment's ReplicaSets: which is the new one, what they are told, how many pods each may have."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, NamedTuple

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.controllers.base import is_controlled_by, owner_reference
from pgnb_rehearsal.controllers.hashing import template_hash

REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
HASH_LABEL = "pod-template-hash"
_NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
)


class Sets(NamedTuple):
    """A Deployment's ReplicaSets, oldest first: the one of the present template (if any) and the others."""

    new: Object | None
    old: list[Object]

    @property
    def all(self) -> list[Object]:
        return self.old + ([self.new] if self.new is not None else [])


def replica_sets_of(store: Store, deployment: Object) -> list[Object]:
    sets = store.list("replicasets", deployment["metadata"]["namespace"])
    owned = [entry for entry in sets if is_controlled_by(entry, deployment)]
    return sorted(owned, key=lambda entry: (entry["metadata"]["creationTimestamp"], revision(entry)))


def split(deployment: Object, owned: list[Object]) -> Sets:
    template = deployment["spec"]["template"]
    new = next((entry for entry in owned if _without_hash(entry["spec"]["template"]) == template), None)
    return Sets(new, [entry for entry in owned if entry is not new])


def _without_hash(template: Object) -> Object:
    bare = copy.deepcopy(template)
    bare["metadata"].get("labels", {}).pop(HASH_LABEL, None)
    return bare


def revision(obj: Object) -> int:
    text = (obj["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def next_revision(sets: Sets) -> int:
    """One above the old sets' highest; a set that is used again thereby gets a new number."""
    return max((revision(entry) for entry in sets.old), default=0) + 1


def replicas(sets: Iterable[Object]) -> int:
    return sum(entry["spec"]["replicas"] for entry in sets)


def counted(sets: Iterable[Object], field: str) -> int:
    """The sum of a status field."""
    return sum(entry.get("status", {}).get(field, 0) for entry in sets)


class Limits(NamedTuple):
    surge: int
    unavailable: int


def limits(deployment: Object) -> Limits:
    """maxSurge (rounded up) and maxUnavailable (down) as numbers of pods; never both 0; Recreate: neither."""
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return Limits(0, 0)
    desired, rolling = deployment["spec"]["replicas"], strategy.get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", "25%"), desired, up=True)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), desired, up=False)
    if not surge and not unavailable:
        unavailable = 1
    return Limits(surge, min(unavailable, desired) if desired else unavailable)


def _share(value: Any, whole: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    percent = int(str(value).removesuffix("%")) * whole
    return -(-percent // 100) if up else percent // 100


def replica_annotations(deployment: Object) -> dict[str, str]:
    desired = deployment["spec"]["replicas"]
    return {DESIRED: str(desired), MAXIMUM: str(desired + limits(deployment).surge)}


def annotate(deployment: Object, replica_set: Object, number: int) -> None:
    """Writes what the Deployment tells its new ReplicaSet: own annotations, revision, desired numbers."""
    given = deployment["metadata"].get("annotations") or {}
    annotations = replica_set["metadata"].setdefault("annotations", {})
    annotations |= {key: value for key, value in given.items() if key not in _NOT_COPIED}
    annotations |= replica_annotations(deployment)
    if revision(replica_set) < number:
        annotations[REVISION] = str(number)


def new_replicas(deployment: Object, sets: Sets) -> int:
    """How many pods the new ReplicaSet may have now."""
    desired = deployment["spec"]["replicas"]
    if deployment["spec"]["strategy"]["type"] == "Recreate":
        return int(desired)
    room = desired + limits(deployment).surge - replicas(sets.all)
    present = sets.new["spec"]["replicas"] if sets.new is not None else 0
    return int(present + max(0, min(room, desired - present)))


def build(deployment: Object, sets: Sets) -> Object:
    """The ReplicaSet of the present template."""
    spec, name = deployment["spec"], deployment["metadata"]["name"]
    digest = template_hash(spec["template"], deployment.get("status", {}).get("collisionCount"))
    template = copy.deepcopy(spec["template"])
    template["metadata"].setdefault("labels", {})[HASH_LABEL] = digest
    selector = copy.deepcopy(spec["selector"])
    selector.setdefault("matchLabels", {})[HASH_LABEL] = digest
    made: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name}-{digest}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": dict(template["metadata"]["labels"]),
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": new_replicas(deployment, sets),
            "selector": selector,
            "template": template,
        },
    }
    if spec.get("minReadySeconds"):
        made["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    annotate(deployment, made, next_revision(sets))
    return made
