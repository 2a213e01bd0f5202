"""A Job's status: when it began, what is counted, its conditions (pkg/controller/job)."""

from __future__ import annotations

from typing import Any

from pgnb_rehearsal.api.objects import Object, copied
from pgnb_rehearsal.controllers.clock import age, now
from pgnb_rehearsal.controllers.job_failures import has_failed, outcome
from pgnb_rehearsal.controllers.job_indexes import has_limit_per_index, is_indexed, valid_index
from pgnb_rehearsal.controllers.job_verdict import FINAL, made
from pgnb_rehearsal.controllers.job_view import JobView, is_tracked
from pgnb_rehearsal.controllers.pods import condition, is_active, is_ready, is_terminating, phase
from pgnb_rehearsal.index_ranges import written_indexes


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
    """The job with a start time in its status, unless it is suspended, and room for what is to be counted."""
    status: dict[str, Any] = copied(job.get("status") or {})
    if not job["spec"].get("suspend"):
        status.setdefault("startTime", now())
    status.setdefault("uncountedTerminatedPods", {})
    return {**job, "status": status}


def note_suspension(job: Object, status: Object) -> str:
    """Brings the condition Suspended and the start time up to date; returns the event that tells of it.

    A suspended job has no start time, and one that is resumed starts anew.
    """
    before = condition({"status": status}, "Suspended")
    if job["spec"].get("suspend"):
        status.pop("startTime", None)
        if before is None or before["status"] != "True":
            _set(status, made("Suspended", "JobSuspended", "Job suspended"))
            return "Suspended"
    elif before is not None and before["status"] == "True":
        _set(status, made("Suspended", "JobResumed", "Job resumed", "False"))
        status["startTime"] = now()
        return "Resumed"
    return ""


def _set(status: Object, entry: Object) -> None:
    """Writes a condition into its place, or behind the others."""
    conditions = list(status.get("conditions") or ())
    places = [place for place, other in enumerate(conditions) if other["type"] == entry["type"]]
    if places:
        conditions[places[0]] = entry
    else:
        conditions.append(entry)
    status["conditions"] = conditions


def conclude(status: Object, verdict: Object) -> None:
    """The condition that decides the job, unless it stands there already."""
    if condition({"status": status}, verdict["type"]) is None:
        _set(status, verdict)


# -- counting ----------------------------------------------------------------------------------------------


def count(status: Object, view: JobView, verdict: Object | None) -> list[Object]:
    """Notes what ended since in the status, and returns the pods that need not be held any more."""
    released = [pod for pod in view.pods if is_tracked(pod) and _can_go(view, pod, verdict)]
    for pod in released:
        _note(status["uncountedTerminatedPods"], view, pod, verdict)
    if is_indexed(view.job):
        _note_indexes(status, view)
    return released


def _can_go(view: JobView, pod: Object, verdict: Object | None) -> bool:
    if verdict is not None or phase(pod) == "Succeeded":
        return True
    if not has_failed(view.job, pod):
        return False
    index = valid_index(view.job, pod) if is_indexed(view.job) else None
    held = view.to_be_replaced.get(index) if index is not None else None
    return held is None or held["metadata"]["uid"] != pod["metadata"]["uid"]


def _note(uncounted: Object, view: JobView, pod: Object, verdict: Object | None) -> None:
    """Puts the pod's uid into its list. When the job fails, whatever has not ended by itself failed, too."""
    uid, job = pod["metadata"]["uid"], view.job
    if any(uid in uids for uids in uncounted.values()):
        return
    lost = verdict is not None and verdict["type"] == "FailureTarget"
    kind = "succeeded" if phase(pod) == "Succeeded" else "failed" if has_failed(job, pod) or lost else ""
    if is_indexed(job) and (kind == "succeeded" or valid_index(job, pod) is None):
        return
    if kind == "succeeded" or (kind and outcome(job, pod).counts):
        uncounted[kind] = [*uncounted.get(kind, ()), uid]


def _note_indexes(status: Object, view: JobView) -> None:
    """Indexes need no list of uids: they can be counted twice without harm."""
    status.pop("completedIndexes", None)
    status.pop("succeeded", None)
    if view.completed_indexes:
        status["completedIndexes"] = written_indexes(view.completed_indexes)
        status["succeeded"] = len(view.completed_indexes)
    if has_limit_per_index(view.job):
        status["failedIndexes"] = written_indexes(view.failed_indexes)


def numbered(status: Object, active: list[Object], pods: list[Object]) -> Object:
    """The status with the numbers of active, ready and terminating pods, those just deleted included."""
    kept = {pod["metadata"]["uid"] for pod in active}
    deleted = [pod for pod in pods if is_active(pod) and pod["metadata"]["uid"] not in kept]
    ending = [*filter(is_terminating, pods), *deleted]
    numbers = dict(status)
    numbers.pop("active", None)
    if active:
        numbers["active"] = len(active)
    numbers["ready"] = sum(is_ready(pod) for pod in active)
    numbers["terminating"] = len(ending)
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
    return made(FINAL[decided["type"]], decided["reason"], decided["message"])


# -- time --------------------------------------------------------------------------------------------------


def until_deadline(job: Object) -> float | None:
    """Seconds until activeDeadlineSeconds of a job that goes on; None when it has none."""
    limit, start = job["spec"].get("activeDeadlineSeconds"), job["status"].get("startTime")
    if limit is None or start is None or is_finished(job) or job["spec"].get("suspend"):
        return None
    return max(0.01, float(limit) - age(start))


def soonest(*delays: float | None) -> float | None:
    return min((delay for delay in delays if delay is not None), default=None)
