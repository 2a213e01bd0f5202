"""The pause after a failure: 10 s, doubled with each one that follows, at most 10 minutes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.controllers.clock import parse
from pgnb_rehearsal.controllers.job_indexes import all_failures_of
from pgnb_rehearsal.controllers.pods import condition

FIRST_PAUSE = 10.0
LONGEST_PAUSE = 600.0
_MOST_DOUBLINGS = 6


class BackOff(NamedTuple):
    """Failures since the last success, and when the latest was (seconds since the epoch)."""

    failures: int = 0
    latest: float = 0.0

    def after(self, succeeded: Sequence[Object], failed: Sequence[Object]) -> BackOff:
        """The same with the pods that ended since."""
        times = sorted(map(ended_at, failed))
        if succeeded:
            success = max(map(ended_at, succeeded))
            times = [moment for moment in times if moment > success]
            return BackOff(len(times), times[-1] if times else 0.0)
        return BackOff(self.failures + len(times), times[-1] if times else self.latest)

    def rest(self) -> float:
        """Seconds left of the pause."""
        if not self.failures:
            return 0.0
        pause: float = min(FIRST_PAUSE * 2 ** min(self.failures - 1, _MOST_DOUBLINGS), LONGEST_PAUSE)
        return max(0.0, self.latest + pause - time.time())


def rest_of_index(replaced: Object | None) -> float:
    """Seconds until the failed pod of an index, if there is one, may be replaced."""
    if replaced is None:
        return 0.0
    return BackOff(all_failures_of(replaced) + 1, ended_at(replaced)).rest()


def ended_at(pod: Object) -> float:
    """When the pod ended: its last container, else when it was not ready any more, else its deletion."""
    metadata, statuses = pod["metadata"], pod.get("status", {}).get("containerStatuses") or ()
    states = [(entry.get("state") or {}).get("terminated") or {} for entry in statuses]
    if states and all(state.get("finishedAt") for state in states):
        return max(parse(state["finishedAt"]) for state in states)
    ready = condition(pod, "Ready")
    if ready is not None and ready["status"] == "False" and ready.get("lastTransitionTime"):
        return parse(ready["lastTransitionTime"])
    if "deletionTimestamp" in metadata:
        return parse(metadata["deletionTimestamp"]) - (metadata.get("deletionGracePeriodSeconds") or 0)
    return parse(metadata["creationTimestamp"])
