"""What a DELETE does to an object before it is gone: grace, finalizers, propagation, preconditions.

Kubernetes, "Pod Lifecycle: Termination of Pods" and "Garbage Collection".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pgnb_rehearsal.api.objects import Object, copied, lookup, timestamp
from pgnb_rehearsal.api.resources import Resource
from pgnb_rehearsal.api.status import bad_request, failed_precondition

FOREGROUND_FINALIZER = "foregroundDeletion"
ORPHAN_FINALIZER = "orphan"
_PROPAGATION = {"Foreground": FOREGROUND_FINALIZER, "Orphan": ORPHAN_FINALIZER, "Background": "", "": ""}
_DEFAULT_GRACE = 30


def check_preconditions(resource: Resource, obj: Object, uid: str, resource_version: str) -> None:
    """Raises StatusError 409 when the object is not the one that was meant."""
    metadata = obj["metadata"]
    name = metadata["name"]
    if uid and uid != metadata["uid"]:
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record ({metadata['uid']}). "
            "The object might have been deleted and then recreated"
        )
        raise failed_precondition(resource, name, why)
    if resource_version and resource_version != metadata["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({resource_version}) does not match the "
            f"ResourceVersion in record ({metadata['resourceVersion']}). The object might have been modified"
        )
        raise failed_precondition(resource, name, why)


def marked(resource: Resource, obj: Object, grace: int | None, propagation: str) -> Object:
    """A copy of the object as DELETE leaves it.

    It stays in the store while `lingers()` says so; otherwise it is gone at once. `grace` is in seconds,
    None for the object's own; `propagation` is Foreground, Background, Orphan or empty.
    """
    doomed: Object = copied(obj)
    metadata = doomed["metadata"]
    _set_propagation(metadata, propagation)
    period = grace_of(resource, obj, grace)
    if period or metadata.get("finalizers") or resource.plural == "pods":
        _mark(metadata, period, bump=resource.generation)
    if resource.plural == "namespaces" and lookup(obj, "spec", "finalizers"):
        _mark(metadata, 0, bump=False)
        doomed["status"] = {**(doomed.get("status") or {}), "phase": "Terminating"}
    return doomed


def lingers(obj: Object) -> bool:
    """True while an object whose deletion was asked for has something to wait for."""
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata:
        return False
    if metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"):
        return True
    return obj.get("kind") == "Namespace" and bool(lookup(obj, "spec", "finalizers"))


def grace_of(resource: Resource, obj: Object, grace: int | None) -> int:
    """Seconds that a kubelet has to end the object's processes: only pods on a node have any."""
    if resource.plural != "pods" or not lookup(obj, "spec", "nodeName"):
        return 0
    if lookup(obj, "status", "phase") in ("Succeeded", "Failed"):
        return 0
    if grace is not None:
        return max(grace, 0)
    own = lookup(obj, "spec", "terminationGracePeriodSeconds")
    return _DEFAULT_GRACE if own is None else int(own)


def _mark(metadata: Object, period: int, *, bump: bool) -> None:
    """A second deletion can shorten the period, never lengthen it."""
    if "deletionTimestamp" in metadata and period >= metadata.get("deletionGracePeriodSeconds", 0):
        return
    if bump and "generation" in metadata and "deletionTimestamp" not in metadata:
        metadata["generation"] += 1
    metadata["deletionTimestamp"] = timestamp(datetime.now(UTC) + timedelta(seconds=period))
    metadata["deletionGracePeriodSeconds"] = period


def _set_propagation(metadata: Object, propagation: str) -> None:
    if propagation not in _PROPAGATION:
        raise bad_request(f'invalid propagationPolicy "{propagation}": use Foreground, Background or Orphan')
    if not propagation:
        return
    others = (FOREGROUND_FINALIZER, ORPHAN_FINALIZER)
    finalizers = [name for name in metadata.get("finalizers") or [] if name not in others]
    desired = _PROPAGATION[propagation]
    metadata["finalizers"] = [*finalizers, desired] if desired else finalizers
    if not metadata["finalizers"]:
        del metadata["finalizers"]
