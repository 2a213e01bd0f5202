"""Find out whether the old primary's server has ended, on which the fence depends.

A container that has ended is not started again in a pod that is being deleted. The kubelet may report this
only when the whole pod has ended. So the data directory is read as well, where a helper pod has mounted it.
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
"""So long after the pod's deletion was requested, a container that waits for a restart is never started."""


def running_pods(role_change: RoleChange, helper: Helper | None = None) -> list[Pod]:
    """Return the old primary's pods whose server may still run; remember the others as ended."""
    left = []
    for pod in role_change.old.pods():
        if pod.uid in role_change.progress.ended:
            continue
        why = _ended(role_change, pod, helper)
        if why:
            role_change.progress.ended[pod.uid] = why
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
    """Return when the container ended; the earliest time if it runs, or waits for a restart."""
    at = (state.get("terminated") or {}).get("finishedAt")
    return datetime.fromisoformat(at) if at else datetime.min.replace(tzinfo=UTC)


def _now() -> datetime:
    return datetime.now(UTC)


def _ordered(pod: Pod) -> datetime:
    """Return when the pod's deletion was requested; its deletionTimestamp is the end of its grace period."""
    meta = pod.object["metadata"]
    grace = timedelta(seconds=float(meta.get("deletionGracePeriodSeconds") or 0))
    return datetime.fromisoformat(meta["deletionTimestamp"]) - grace


def _shut_down(role_change: RoleChange, helper: Helper) -> bool:
    """Whether the lock file is removed and the control file says that the server was shut down."""
    target = role_change.old.target
    if target is None:
        return False
    try:
        lock = helper.exec(["test", "-e", f"{target.directory}/postmaster.pid"], check=False)
        if lock.exit_status != 1:
            return False
        return read_shutdown_state(helper.exec, target.directory, role_change.candidate.facts.bin_dir).clean
    except PgnbError:
        return False  # Then only the pod's state can show it.
