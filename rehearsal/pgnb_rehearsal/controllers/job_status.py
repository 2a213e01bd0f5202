"""A Job's status: what ended and was counted, whether it is done, and why (pkg/controller/job)."""

from __future__ import annotations

import copy
from typing import Any

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.controllers.clock import age, now
from pgnb_rehearsal.controllers.pods import condition, is_active, is_ready, phase

FINAL = {"SuccessCriteriaMet": "Complete", "FailureTarget": "Failed"}


def is_finished(job: Object) -> bool:
    return _true(job, "Complete") or _true(job, "Failed")


def _true(job: Object, kind: str) -> bool:
    found = condition(job, kind)
    return found is not None and found["status"] == "True"


def finished_at(job: Object) -> str:
    """The time of the final condition."""
    final = condition(job, "Complete") or condition(job, "Failed")
    assert final is not None
    return str(final["lastTransitionTime"])


def begun(job: Object) -> Object:
    """A copy of the status, with a start time."""
    status: dict[str, Any] = copy.deepcopy(job.get("status") or {})
    if not job["spec"].get("suspend"):
        status.setdefault("startTime", now())
    status.setdefault("uncountedTerminatedPods", {})
    return status


def count_ended(status: Object, tracked: list[Object]) -> bool:
    """Puts the uid of every ended pod that was not yet counted into its list; True when there was one."""
    uncounted = status["uncountedTerminatedPods"]
    known = {uid for uids in uncounted.values() for uid in uids}
    for field, ended in (("succeeded", "Succeeded"), ("failed", "Failed")):
        fresh = [
            p["metadata"]["uid"] for p in tracked if phase(p) == ended and p["metadata"]["uid"] not in known
        ]
        if fresh:
            uncounted[field] = [*uncounted.get(field, []), *fresh]
    return bool(uncounted)


def count_deleted(status: Object, active: list[Object]) -> None:
    """Pods that the controller deletes because the job failed count as failed."""
    if active:
        uncounted = status["uncountedTerminatedPods"]
        uncounted["failed"] = [*uncounted.get("failed", []), *(pod["metadata"]["uid"] for pod in active)]


def total(status: Object, field: str) -> int:
    return int(status.get(field, 0)) + len(status["uncountedTerminatedPods"].get(field, ()))


def verdict(job: Object, status: Object, pods: list[Object]) -> Object | None:
    """The condition that decides the job (SuccessCriteriaMet or FailureTarget), or None while it goes on."""
    standing = next((condition(job, kind) for kind in FINAL if condition(job, kind) is not None), None)
    if standing is not None:
        return standing
    if total(status, "failed") + _restarts(job, pods) > job["spec"].get("backoffLimit", 6):
        return _decided(
            "FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        )
    if _is_late(job, status):
        return _decided("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
    if _is_achieved(job, status, pods):
        return _decided(
            "SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"
        )
    return None


def _decided(kind: str, reason: str, message: str) -> Object:
    written = now()
    return {
        "type": kind,
        "status": "True",
        "lastProbeTime": written,
        "lastTransitionTime": written,
        "reason": reason,
        "message": message,
    }


def _restarts(job: Object, pods: list[Object]) -> int:
    """Restarts in place count as failures when the template's restartPolicy is OnFailure."""
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return 0
    entries = (entry for pod in pods for entry in pod.get("status", {}).get("containerStatuses") or ())
    return sum(entry.get("restartCount", 0) for entry in entries)


def _is_late(job: Object, status: Object) -> bool:
    limit = job["spec"].get("activeDeadlineSeconds")
    return limit is not None and "startTime" in status and age(status["startTime"]) >= limit


def until_deadline(job: Object) -> float | None:
    """Seconds until activeDeadlineSeconds of a job that goes on; None when it has none."""
    limit, start = job["spec"].get("activeDeadlineSeconds"), job["status"].get("startTime")
    if limit is None or start is None or is_finished(job):
        return None
    return max(0.01, float(limit) - age(start))


def soonest(*delays: float | None) -> float | None:
    return min((delay for delay in delays if delay is not None), default=None)


def _is_achieved(job: Object, status: Object, pods: list[Object]) -> bool:
    completions = job["spec"].get("completions")
    succeeded = total(status, "succeeded")
    if completions is None:
        return succeeded > 0 and not any(is_active(pod) for pod in pods)
    return bool(succeeded >= completions)


def wanted_active(job: Object, status: Object) -> int:
    """How many pods should be active now."""
    spec = job["spec"]
    if spec.get("suspend"):
        return 0
    parallelism, completions = int(spec.get("parallelism", 1)), spec.get("completions")
    if completions is None:
        return 0 if total(status, "succeeded") else parallelism
    return min(parallelism, max(0, int(completions) - total(status, "succeeded")))


def conclude(status: Object, decided: Object) -> None:
    if condition({"status": status}, decided["type"]) is None:
        status["conditions"] = [*(status.get("conditions") or []), decided]


def numbered(status: Object, active: list[Object], pods: list[Object]) -> Object:
    """The status with the numbers of active, ready and terminating pods."""
    gone = [pod for pod in pods if pod not in active and is_active(pod)]
    terminating = [
        pod for pod in pods if "deletionTimestamp" in pod["metadata"] and phase(pod) in ("Pending", "Running")
    ]
    numbers = dict(status)
    numbers.pop("active", None)
    if active:
        numbers["active"] = len(active)
    numbers["ready"] = sum(is_ready(pod) for pod in active)
    numbers["terminating"] = len(terminating) + len(gone)
    return numbers


def settled(status: Object) -> Object:
    """The status once the counted pods are released: their uids have become numbers."""
    uncounted = status.get("uncountedTerminatedPods") or {}
    numbers = {name: int(status.get(name, 0)) + len(uids) for name, uids in uncounted.items()}
    return status | numbers | {"uncountedTerminatedPods": {}}


def finished_condition(status: Object, terminating: bool) -> Object | None:
    """The final condition once the verdict stands and no pod is on its way out any more."""
    if terminating or status.get("active"):
        return None
    decided = next((entry for entry in status.get("conditions") or () if entry["type"] in FINAL), None)
    if decided is None:
        return None
    return _decided(FINAL[decided["type"]], decided["reason"], decided["message"])
