"""A Job and its pods as one step of the controller sees them: what ended, what goes on, what is counted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.controllers.job_backoff import ended_at
from pgnb_rehearsal.controllers.job_failures import has_failed, outcome, replaces_only_failed
from pgnb_rehearsal.controllers.job_indexes import (
    all_failures_of,
    failures_of,
    has_limit_per_index,
    indexes_of,
    is_indexed,
    valid_index,
)
from pgnb_rehearsal.controllers.pods import is_active, is_terminating, phase
from pgnb_rehearsal.index_ranges import read_indexes

TRACKING = "batch.kubernetes.io/job-tracking"


def is_tracked(pod: Object) -> bool:
    """Whether the pod is held until it is counted."""
    return TRACKING in (pod["metadata"].get("finalizers") or ())


@dataclass(frozen=True)
class JobView:
    """A pod with the tracking finalizer is not counted yet, or its uid waits among the uncounted ones."""

    job: Object
    pods: list[Object]

    @property
    def spec(self) -> Object:
        return dict(self.job["spec"])

    @property
    def status(self) -> Object:
        return dict(self.job.get("status") or {})

    @cached_property
    def active(self) -> list[Object]:
        return [pod for pod in self.pods if is_active(pod)]

    @cached_property
    def terminating(self) -> list[Object]:
        return [pod for pod in self.pods if is_terminating(pod)]

    @cached_property
    def uncounted(self) -> dict[str, Any]:
        return dict(self.status.get("uncountedTerminatedPods") or {})

    @cached_property
    def tracked(self) -> list[Object]:
        """The pods that are held; of an indexed job those with an index that it has."""
        held = [pod for pod in self.pods if is_tracked(pod)]
        if not is_indexed(self.job):
            return held
        return [pod for pod in held if valid_index(self.job, pod) is not None]

    @cached_property
    def fresh_successes(self) -> list[Object]:
        known = self.uncounted.get("succeeded") or ()
        return [p for p in self.tracked if phase(p) == "Succeeded" and p["metadata"]["uid"] not in known]

    @cached_property
    def fresh_failures(self) -> list[Object]:
        known = self.uncounted.get("failed") or ()
        failed = [pod for pod in self.tracked if has_failed(self.job, pod)]
        return [pod for pod in failed if pod["metadata"]["uid"] not in known]

    @property
    def succeeded(self) -> int:
        """Pods, or indexes, that succeeded."""
        if is_indexed(self.job):
            return len(self.completed_indexes)
        known = int(self.status.get("succeeded", 0)) + len(self.uncounted.get("succeeded") or ())
        return known + len(self.fresh_successes)

    @property
    def failed(self) -> int:
        """Pods that failed, but for those whose failure is ignored."""
        known = int(self.status.get("failed", 0)) + len(self.uncounted.get("failed") or ())
        return known + sum(outcome(self.job, pod).counts for pod in self.fresh_failures)

    # -- indexes -------------------------------------------------------------------------------------------

    @cached_property
    def completed_indexes(self) -> set[int]:
        ended = indexes_of(pod for pod in self.tracked if phase(pod) == "Succeeded")
        return self._recorded("completedIndexes") | ended

    @cached_property
    def failed_indexes(self) -> set[int]:
        """Indexes that are given up; none without a back-off limit of their own."""
        if not has_limit_per_index(self.job):
            return set()
        lost = indexes_of(pod for pod in self.tracked if self._ends_its_index(pod))
        return self._recorded("failedIndexes") | lost

    def _recorded(self, field: str) -> set[int]:
        return read_indexes(self.status.get(field) or "", int(self.spec["completions"]))

    def _ends_its_index(self, pod: Object) -> bool:
        if not has_failed(self.job, pod):
            return False
        found = outcome(self.job, pod)
        if found.action == "FailIndex":
            return True
        return found.counts and failures_of(pod) >= self.spec["backoffLimitPerIndex"]

    @cached_property
    def to_be_replaced(self) -> dict[int, Object]:
        """The latest failed pod of each index that has to be tried again. It is held until its successor is
        there, which takes over the number of failures."""
        if not has_limit_per_index(self.job):
            return {}
        settled = self.completed_indexes | self.failed_indexes | indexes_of(self.active)
        latest: dict[int, Object] = {}
        for pod in self.tracked:
            index = valid_index(self.job, pod)
            if index is None or index in settled or not has_failed(self.job, pod):
                continue
            if index not in latest or _order(pod) >= _order(latest[index]):
                latest[index] = pod
        return latest

    @property
    def taken_indexes(self) -> set[int]:
        """Indexes that need no new pod now."""
        taken = self.completed_indexes | self.failed_indexes | indexes_of(self.active)
        return taken | indexes_of(self.terminating) if replaces_only_failed(self.job) else taken


def _order(pod: Object) -> tuple[int, float]:
    return all_failures_of(pod), ended_at(pod)
