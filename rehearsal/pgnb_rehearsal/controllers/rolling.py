"""The numbers of a rolling update (kubernetes, pkg/controller/deployment/rolling.go and sync.go).

Each function answers with ReplicaSets and the number of pods that each should have; nothing is written here.
"""

from __future__ import annotations

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.controllers.deployment_sets import Sets, counted, limits, new_replicas, replicas

Sizes = list[tuple["Object", int]]


def grown(deployment: Object, sets: Sets) -> Sizes:
    """The new ReplicaSet towards the desired number: up as maxSurge allows, down at once."""
    assert sets.new is not None
    present, desired = sets.new["spec"]["replicas"], deployment["spec"]["replicas"]
    size = desired if present > desired else new_replicas(deployment, sets)
    return [] if size == present else [(sets.new, size)]


def shrunk(deployment: Object, sets: Sets) -> Sizes:
    """Old ReplicaSets down: first pods that never became available, then as far as maxUnavailable allows."""
    assert sets.new is not None
    active = [entry for entry in sets.old if entry["spec"]["replicas"]]
    least = deployment["spec"]["replicas"] - limits(deployment).unavailable
    new_unavailable = sets.new["spec"]["replicas"] - counted([sets.new], "availableReplicas")
    room = replicas(sets.all) - least - new_unavailable
    if not active or room <= 0:
        return []
    sizes = {entry["metadata"]["uid"]: entry["spec"]["replicas"] for entry in active}
    for entry in active:
        useless = entry["spec"]["replicas"] - counted([entry], "availableReplicas")
        step = max(0, min(useless, room))
        sizes[entry["metadata"]["uid"]] -= step
        room -= step
    spare = max(0, counted(sets.all, "availableReplicas") - least)
    for entry in active:
        step = min(sizes[entry["metadata"]["uid"]], spare)
        sizes[entry["metadata"]["uid"]] -= step
        spare -= step
    return [
        (e, sizes[e["metadata"]["uid"]])
        for e in active
        if sizes[e["metadata"]["uid"]] != e["spec"]["replicas"]
    ]


def proportional(deployment: Object, sets: Sets) -> Sizes:
    """The desired number changed: one active ReplicaSet takes it whole, several share it by their size."""
    desired = deployment["spec"]["replicas"]
    active = [entry for entry in sets.all if entry["spec"]["replicas"]]
    if len(active) <= 1:
        only = active[0] if active else sets.new
        return [] if only is None else [(only, desired)]
    if (
        sets.new is not None
        and counted([sets.new], "availableReplicas") == desired == sets.new["spec"]["replicas"]
    ):
        return [(entry, 0) for entry in active if entry is not sets.new]
    allowed = desired + limits(deployment).surge if desired else 0
    return _shared(active, allowed)


def _shared(entries: list[Object], allowed: int) -> Sizes:
    """`allowed` pods over the sets in proportion to their present size; the largest takes the rest."""
    total = replicas(entries)
    by_size = sorted(entries, key=lambda entry: -entry["spec"]["replicas"])
    sizes = [entry["spec"]["replicas"] * allowed // total for entry in by_size]
    sizes[0] += allowed - sum(sizes)
    return list(zip(by_size, sizes, strict=True))
