"""Mark a change of roles in progress by an annotation of the old primary's workload, phase by phase."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pgnb.cluster import Cluster
from pgnb.cluster.owner import this_run
from pgnb.cluster.role_change_mark import ROLE_CHANGE, RoleChangeMark, role_change_mark
from pgnb.core.checks import Check, Checks
from pgnb.physical.failover.participants import RoleChange


def role_change_checks(cluster: Cluster) -> Checks:
    """List changes of roles that did not end: who, when, which phase, and how to go on. All advice."""
    items = [
        Check(f"change of roles of {one.workload}", False, one.summary, "ended", one.remedy, advice=True)
        for one in cluster.role_changes()
    ]
    none = Check("no change of roles in progress", True, "none", "none")
    return Checks.of("Changes of roles", items or [none], cluster.journal)


def mark_phase(
    role_change: RoleChange,
    phase: str,
    *,
    replicas: int | None = None,
    stopped: bool | None = None,
    standing: str | None = None,
) -> None:
    """Write the phase to the old primary's workload, and scale it to `replicas` in the same request.

    Raises Conflict, and changes nothing, if somebody else changed the workload after this run read it.
    """
    before = role_change.progress.mark
    keeps = before is not None and before.stopped and stopped is None
    mark = RoleChangeMark(
        role_change.operation,
        phase,
        this_run(),
        datetime.now(UTC).isoformat(timespec="seconds"),
        role_change.candidate.name,
        stopped=keeps or bool(stopped),
        standing=before.standing if keeps and before else standing,
    )
    what = f"{ROLE_CHANGE}: {phase}" + ("" if replicas is None else f"; scale to {replicas}")
    role_change.progress.mark = mark
    _write(role_change, mark.text, what, {} if replicas is None else {"spec": {"replicas": replicas}})


def clear_mark(role_change: RoleChange) -> str:
    """Remove the annotation: the change of roles is over, or was undone."""
    if role_change_mark(role_change.old.reload().object) is None:
        return "nothing was in progress"
    _write(role_change, None, f"remove {ROLE_CHANGE}: the change of roles is over", {})
    role_change.progress.mark = None
    return "over"


def _write(role_change: RoleChange, value: str | None, what: str, spec: Mapping[str, Any]) -> None:
    body = {"metadata": {"annotations": {ROLE_CHANGE: value}}, **spec}
    role_change.cluster.patch_as_seen(role_change.old.workload.object, body, what)
