"""Whether a Job is decided, and why (pkg/controller/job, syncJob)."""

from __future__ import annotations

from pgnb_rehearsal.api.objects import Object, lookup
from pgnb_rehearsal.controllers.clock import age, now
from pgnb_rehearsal.controllers.job_failures import has_failed, outcome
from pgnb_rehearsal.controllers.job_indexes import is_indexed
from pgnb_rehearsal.controllers.job_view import JobView
from pgnb_rehearsal.controllers.pods import condition, phase
from pgnb_rehearsal.index_ranges import read_indexes

FINAL = {"SuccessCriteriaMet": "Complete", "FailureTarget": "Failed"}
"""The condition that decides a job, and the one that follows once its pods are gone."""


def decided(view: JobView) -> Object | None:
    """The condition that decides the job, whatever its active pods do; None while it goes on."""
    standing = (condition(view.job, kind) for kind in FINAL)
    found = next((entry for entry in standing if entry is not None), None)
    return found or _failure(view) or _success_by_policy(view)


def completed(view: JobView, active: list[Object]) -> Object | None:
    """The condition of a job that has what it needs and no active pod any more, or None."""
    completions = view.spec.get("completions")
    enough = view.succeeded > 0 if completions is None else view.succeeded >= completions
    if active or not enough:
        return None
    return made("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods")


def made(kind: str, reason: str, message: str, status: str = "True") -> Object:
    """A condition of now."""
    written = now()
    return {
        "type": kind,
        "status": status,
        "lastProbeTime": written,
        "lastTransitionTime": written,
        "reason": reason,
        "message": message,
    }


def _failure(view: JobView) -> Object | None:
    message = _failed_by_policy(view)
    if message:
        return made("FailureTarget", "PodFailurePolicy", message)
    if view.failed > view.spec.get("backoffLimit", 6) or _restarted_too_often(view):
        text = "Job has reached the specified backoff limit"
        return made("FailureTarget", "BackoffLimitExceeded", text)
    if _is_late(view):
        return made("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
    return _failure_of_indexes(view) if is_indexed(view.job) else None


def _failed_by_policy(view: JobView) -> str:
    failed = (pod for pod in view.pods if has_failed(view.job, pod))
    found = (outcome(view.job, pod) for pod in failed)
    return next((result.message for result in found if result.action == "FailJob"), "")


def _restarted_too_often(view: JobView) -> bool:
    """Restarts in place count when the template's restartPolicy is OnFailure."""
    if lookup(view.spec, "template", "spec", "restartPolicy") != "OnFailure":
        return False
    running = [pod for pod in view.pods if phase(pod) in ("Pending", "Running")]
    kinds = ("initContainerStatuses", "containerStatuses")
    entries = (entry for pod in running for kind in kinds for entry in lookup(pod, "status", kind) or ())
    restarts = sum(entry.get("restartCount", 0) for entry in entries)
    return bool(restarts >= max(1, view.spec.get("backoffLimit", 6)))


def _is_late(view: JobView) -> bool:
    limit, start = view.spec.get("activeDeadlineSeconds"), view.status.get("startTime")
    return bool(limit is not None and start and not view.spec.get("suspend") and age(start) >= limit)


def _failure_of_indexes(view: JobView) -> Object | None:
    failed, most = len(view.failed_indexes), view.spec.get("maxFailedIndexes")
    if most is not None and failed > most:
        text = "Job has exceeded the specified maximal number of failed indexes"
        return made("FailureTarget", "MaxFailedIndexesExceeded", text)
    if failed and failed + len(view.completed_indexes) >= view.spec["completions"]:
        return made("FailureTarget", "FailedIndexes", "Job has failed indexes")
    return None


def _success_by_policy(view: JobView) -> Object | None:
    rules = lookup(view.spec, "successPolicy", "rules") or ()
    if not rules or not is_indexed(view.job) or not view.completed_indexes:
        return None
    for number, rule in enumerate(rules):
        if _is_met(rule, view.completed_indexes, view.spec["completions"]):
            return made("SuccessCriteriaMet", "SuccessPolicy", f"Matched rules at index {number}")
    return None


def _is_met(rule: Object, completed_indexes: set[int], completions: int) -> bool:
    count = rule.get("succeededCount")
    if rule.get("succeededIndexes") is None:
        return count is not None and len(completed_indexes) >= count
    wanted = read_indexes(rule["succeededIndexes"], completions)
    done = len(wanted & completed_indexes)
    return bool(wanted) and (done == len(wanted) or (count is not None and done >= count))
