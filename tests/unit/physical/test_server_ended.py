"""When a pod that is being deleted counts as ended: only its server's container decides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pgnb.cluster import Pod
from pgnb.physical.failover import ended
from pgnb.physical.failover.ended import running_pods
from pgnb.physical.failover.participants import RoleChangeProgress

_NOW = datetime.now(UTC)


def _pod(state: dict[str, Any], *, ordered: timedelta | None) -> Pod:
    """A pod whose deletion was asked for so long ago (None: not at all), with a grace period of a minute."""
    meta: dict[str, Any] = {"name": "db-0", "uid": "1"}
    if ordered is not None:
        end = _NOW - ordered + timedelta(seconds=60)
        meta |= {"deletionTimestamp": end.isoformat(), "deletionGracePeriodSeconds": 60}
    containers = [{"name": "postgres", "image": "postgres:17"}, {"name": "sidecar", "image": "busybox"}]
    statuses = [
        {"name": "postgres", "state": state},
        {"name": "sidecar", "state": {"running": {"startedAt": _NOW.isoformat()}}},
    ]
    status = {"phase": "Running", "containerStatuses": statuses}
    return Pod.of({"metadata": meta, "spec": {"containers": containers}, "status": status}, "postgres")


def _ended_at(ago: timedelta) -> dict[str, Any]:
    return {"terminated": {"exitCode": 0, "finishedAt": (_NOW - ago).isoformat()}}


_RUNS = {"running": {"startedAt": _NOW.isoformat()}}
_WAITS = {"waiting": {"reason": "CrashLoopBackOff"}}
_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("state", "ordered", "runs"),
    [
        (_RUNS, None, True),
        (_RUNS, _MINUTE, True),
        (_ended_at(_SECOND), None, True),  # It is started again.
        (_ended_at(_SECOND), timedelta(seconds=2), False),
        (_ended_at(_MINUTE), _SECOND, True),  # It had crashed before; the order may not have arrived yet.
        (_ended_at(_MINUTE), timedelta(seconds=30), False),
        (_WAITS, _SECOND, True),
        (_WAITS, _MINUTE, False),
        ({}, _MINUTE, True),  # Nothing is known of it.
    ],
)
def test_what_may_still_run(state, ordered, runs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ended, "_now", lambda: _NOW)
    pod = _pod(state, ordered=ordered)
    role_change: Any = SimpleNamespace(
        old=SimpleNamespace(pods=lambda: (pod,), target=None), progress=RoleChangeProgress()
    )
    assert [one.name for one in running_pods(role_change)] == (["db-0"] if runs else [])
    assert bool(role_change.progress.ended) is not runs
