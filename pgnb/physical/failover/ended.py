"""Whether the old primary's server has ended: what the fence rests on, whatever else runs in its pod.

In a pod that is being deleted, a container that has ended is not started again. The kubelet may report that
only when the whole pod has ended, so the data directory is asked as well, where a helper pod is beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pgnb.cluster import Helper, Pod
from pgnb.core.errors import PgnbError
from pgnb.physical.failover.remains import read_remains
from pgnb.physical.failover.succession import Succession

_SETTLED = timedelta(seconds=10)
"""So long after the order to delete its pod, a container that waits for a restart is never started again."""


def running_pods(pair: Succession, helper: Helper | None = None) -> list[Pod]:
    """The old primary's pods whose server may still run; the others are kept as ended."""
    left = []
    for pod in pair.old.pods():
        if pod.uid in pair.ended:
            continue
        why = _ended(pair, pod, helper)
        if why:
            pair.ended[pod.uid] = why
        else:
            left.append(pod)
    return left


def _ended(pair: Succession, pod: Pod, helper: Helper | None) -> str:
    if not pod.deleting:
        return ""
    state = pod.state
    ordered = _ordered(pod)
    if _finished(state) >= ordered:
        return "its container has ended"
    if state and "running" not in state and ordered < _now() - _SETTLED:
        return "its container does not run"
    if helper is not None and _shut_down(pair, helper):
        return "its data directory was shut down"
    return ""


def _finished(state: Mapping[str, Any]) -> datetime:
    """When the container ended; long ago where it runs, or waits for a restart."""
    at = (state.get("terminated") or {}).get("finishedAt")
    return datetime.fromisoformat(at) if at else datetime.min.replace(tzinfo=UTC)


def _now() -> datetime:
    return datetime.now(UTC)


def _ordered(pod: Pod) -> datetime:
    """When the pod's deletion was asked for: its deletionTimestamp is the end of its grace period."""
    meta = pod.object["metadata"]
    grace = timedelta(seconds=float(meta.get("deletionGracePeriodSeconds") or 0))
    return datetime.fromisoformat(meta["deletionTimestamp"]) - grace


def _shut_down(pair: Succession, helper: Helper) -> bool:
    """The postmaster has removed its lock file, and the control file says that it shut down in order."""
    target = pair.old.target
    if target is None:
        return False
    try:
        lock = helper.exec(["test", "-e", f"{target.directory}/postmaster.pid"], check=False)
        if lock.exit_status != 1:
            return False
        return read_remains(helper.exec, target.directory, pair.candidate.facts.bin_dir).clean
    except PgnbError:
        return False  # Then the pod's own state must tell.
