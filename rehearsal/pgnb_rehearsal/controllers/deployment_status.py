"""A Deployment's status and conditions (kubernetes, pkg/controller/deployment/progress.go)."""

from __future__ import annotations

from typing import Any

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.controllers.clock import age, now
from pgnb_rehearsal.controllers.deployment_sets import Sets, counted, limits, replicas
from pgnb_rehearsal.controllers.pods import condition

_UNLIMITED = 2**31 - 1


def new_condition(kind: str, status: str, reason: str, message: str) -> Object:
    written = now()
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": written,
        "lastTransitionTime": written,
        "reason": reason,
        "message": message,
    }


def set_condition(status: Object, fresh: Object, *, force: bool = False) -> None:
    """Puts a condition last; nothing happens when status and reason stay the same, unless forced."""
    current = condition({"status": status}, fresh["type"])
    if current is not None and current["status"] == fresh["status"]:
        if current["reason"] == fresh["reason"] and not force:
            return
        fresh = fresh | {"lastTransitionTime": current["lastTransitionTime"]}
    drop_condition(status, fresh["type"])
    status.setdefault("conditions", []).append(fresh)


def drop_condition(status: Object, kind: str) -> None:
    status["conditions"] = [entry for entry in status.get("conditions") or [] if entry["type"] != kind]
    if not status["conditions"]:
        del status["conditions"]


def has_deadline(deployment: Object) -> bool:
    return bool(deployment["spec"].get("progressDeadlineSeconds", _UNLIMITED) != _UNLIMITED)


def is_complete(deployment: Object, status: Object) -> bool:
    """Every pod is of the new template and available, and the controller has seen the present spec."""
    desired = deployment["spec"]["replicas"]
    numbers = (status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas"))
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return seen and all(number == desired for number in numbers)


def calculated(deployment: Object, sets: Sets) -> Object:
    """The numbers, and whether the Deployment is available; conditions are carried over."""
    before = deployment.get("status") or {}
    available = counted(sets.all, "availableReplicas")
    counts = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": counted(sets.all, "replicas"),
        "updatedReplicas": counted([sets.new] if sets.new else [], "replicas"),
        "readyReplicas": counted(sets.all, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, replicas(sets.all) - available),
    }
    status: dict[str, Any] = {name: count for name, count in counts.items() if count}
    status["terminatingReplicas"] = counted(sets.all, "terminatingReplicas")
    if "collisionCount" in before:
        status["collisionCount"] = before["collisionCount"]
    if before.get("conditions"):
        status["conditions"] = [dict(entry) for entry in before["conditions"]]
    set_condition(status, _availability(deployment, available))
    return status


def _availability(deployment: Object, available: int) -> Object:
    if available >= deployment["spec"]["replicas"] - limits(deployment).unavailable:
        message = "Deployment has minimum availability."
        return new_condition("Available", "True", "MinimumReplicasAvailable", message)
    message = "Deployment does not have minimum availability."
    return new_condition("Available", "False", "MinimumReplicasUnavailable", message)


def rollout_status(deployment: Object, sets: Sets) -> Object:
    """The status during and after a rollout: numbers, availability, progress, failure to make pods."""
    status = calculated(deployment, sets)
    if not has_deadline(deployment):
        drop_condition(status, "Progressing")
    elif not _was_complete(status):
        _set_progress(deployment, sets, status)
    _set_replica_failure(sets, status)
    return status


def _was_complete(status: Object) -> bool:
    progress = condition({"status": status}, "Progressing")
    same = status.get("replicas", 0) == status.get("updatedReplicas", 0)
    return same and progress is not None and progress["reason"] == "NewReplicaSetAvailable"


def _set_progress(deployment: Object, sets: Sets, status: Object) -> None:
    what = _subject(deployment, sets)
    if is_complete(deployment, status):
        message = f"{what} has successfully progressed."
        set_condition(status, new_condition("Progressing", "True", "NewReplicaSetAvailable", message))
    elif _progressed(deployment.get("status") or {}, status):
        fresh = new_condition("Progressing", "True", "ReplicaSetUpdated", f"{what} is progressing.")
        set_condition(status, fresh, force=True)
    elif timed_out(deployment, status):
        message = f"{what} has timed out progressing."
        set_condition(status, new_condition("Progressing", "False", "ProgressDeadlineExceeded", message))


def _subject(deployment: Object, sets: Sets) -> str:
    if sets.new is not None:
        return f'ReplicaSet "{sets.new["metadata"]["name"]}"'
    return f'Deployment "{deployment["metadata"]["name"]}"'


def _progressed(before: Object, after: Object) -> bool:
    def old_ones(status: Object) -> int:
        return int(status.get("replicas", 0) - status.get("updatedReplicas", 0))

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return old_ones(after) < old_ones(before) or any(after.get(n, 0) > before.get(n, 0) for n in grown)


def timed_out(deployment: Object, status: Object) -> bool:
    """No progress for progressDeadlineSeconds."""
    progress = condition({"status": status}, "Progressing")
    if progress is None or progress["reason"] == "NewReplicaSetAvailable":
        return False
    if progress["reason"] == "ProgressDeadlineExceeded":
        return True
    return age(progress["lastUpdateTime"]) > float(deployment["spec"]["progressDeadlineSeconds"])


def until_deadline(deployment: Object, status: Object) -> float | None:
    """Seconds until the progress deadline of a rollout that is under way, else None."""
    progress = condition({"status": status}, "Progressing")
    over = ("NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused")
    if not has_deadline(deployment) or progress is None or progress["reason"] in over:
        return None
    return float(deployment["spec"]["progressDeadlineSeconds"]) - age(progress["lastUpdateTime"]) + 1.0


def _set_replica_failure(sets: Sets, status: Object) -> None:
    failures = (condition(entry, "ReplicaFailure") for entry in reversed(sets.all))
    failure = next((entry for entry in failures if entry is not None), None)
    if failure is None:
        drop_condition(status, "ReplicaFailure")
    else:
        set_condition(status, failure | {"lastUpdateTime": failure["lastTransitionTime"]})
