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
from pgnb.physical.failover.participants import RoleChange
from pgnb.physical.failover.shutdown_state import read_shutdown_state

_SETTLED = timedelta(seconds=10)
"""So long after the order to delete its pod, a container that waits for a restart is never started again."""


def running_pods(role_change: RoleChange, helper: Helper | None = None) -> list[Pod]:
    """The old primary's pods whose server may still run; the others are kept as ended."""
    left = []
    for pod in role_change.old.pods():
        if pod.uid in role_change.ended:
            continue
        why = _ended(role_change, pod, helper)
        if why:
            role_change.ended[pod.uid] = why
        else:
            left.append(pod)
    return left


def _ended(role_change: RoleChange, pod: Pod, helper: Helper | None) -> str:
    if not pod.deleting:
        return ""
    state = pod.state
    ordered = _ordered(pod)
    if _finished(state) >= ordered:
        return "its container has ended"
    if state and "running" not in state and ordered < _now() - _SETTLED:
        return "its container does not run"
    if helper is not None and _shut_down(role_change, helper):
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


def _shut_down(role_change: RoleChange, helper: Helper) -> bool:
    """The postmaster has removed its lock file, and the control file says that it shut down in order."""
    target = role_change.old.target
    if target is None:
        return False
    try:
        lock = helper.exec(["test", "-e", f"{target.directory}/postmaster.pid"], check=False)
        if lock.exit_status != 1:
            return False
        return read_shutdown_state(helper.exec, target.directory, role_change.candidate.facts.bin_dir).clean
    except PgnbError:
        return False  # Then the pod's own state must tell.
