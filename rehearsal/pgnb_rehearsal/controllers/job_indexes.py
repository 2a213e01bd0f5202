"""The pods of an indexed Job: which index each has, how often it failed before, which ones are missing."""

from __future__ import annotations

from collections.abc import Iterable

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.controllers.pods import first_to_go

INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"
_MOST = 2**31 - 1


def is_indexed(job: Object) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def has_limit_per_index(job: Object) -> bool:
    return job["spec"].get("backoffLimitPerIndex") is not None


def index_of(pod: Object) -> int | None:
    """The pod's index, or None when it has none that can be read."""
    text = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
    return int(text) if text.isdecimal() else None


def valid_index(job: Object, pod: Object) -> int | None:
    """The pod's index, or None when the job has no such index."""
    index = index_of(pod)
    return index if index is not None and index < job["spec"]["completions"] else None


def indexes_of(pods: Iterable[Object]) -> set[int]:
    return {index for index in map(index_of, pods) if index is not None}


def failures_of(pod: Object) -> int:
    """The failures of the pod's index before this pod, as far as they count."""
    return _number(pod, FAILURES)


def all_failures_of(pod: Object) -> int:
    """The failures of the pod's index before this pod, those that were ignored included."""
    return _number(pod, FAILURES) + _number(pod, IGNORED_FAILURES)


def _number(pod: Object, annotation: str) -> int:
    text = (pod["metadata"].get("annotations") or {}).get(annotation, "")
    return int(text) if text.isdecimal() and int(text) <= _MOST else 0


def missing(taken: set[int], count: int, completions: int) -> list[int]:
    """The lowest `count` indexes that are not taken."""
    found: list[int] = []
    for index in range(completions):
        if len(found) == count:
            break
        if index not in taken:
            found.append(index)
    return found


def misplaced(job: Object, active: list[Object]) -> list[Object]:
    """Active pods that have no valid index, or one that another active pod has, too."""
    wrong = [pod for pod in active if valid_index(job, pod) is None]
    kept: set[int] = set()
    for pod in reversed(first_to_go(pod for pod in active if pod not in wrong)):
        index = valid_index(job, pod)
        assert index is not None
        if index in kept:
            wrong.append(pod)
        kept.add(index)
    return wrong
