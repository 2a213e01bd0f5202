"""The change of roles that is in progress, as an annotation on the old primary's workload.

It is there as long as the phase lasts, whatever becomes of the run: so a run that was killed is named by the
next one that looks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pgnb.cluster.client import Api, Object
from pgnb.cluster.objects import list_all
from pgnb.core.errors import ClusterError

ROLE_CHANGE = "pgnb/role-change"
_WORKLOADS = ("deployments", "statefulsets")


@dataclass(frozen=True)
class RoleChangeMark:
    """What is being done: the operation and its phase, by whom, since when, and who takes the role.

    `standing` is what default_transaction_read_only was in postgresql.auto.conf before pgnb stopped writes
    (None: not in it); it counts only where `stopped` says that pgnb did.
    """

    operation: str
    phase: str
    holder: str
    at: str
    candidate: str
    stopped: bool = False
    standing: str | None = None

    @property
    def text(self) -> str:
        """The annotation's value."""
        return json.dumps(asdict(self), sort_keys=True)

    def summary(self, workload: str, replicas: int) -> str:
        """What is left of it, and how to go on."""
        if replicas:
            state = "writes are stopped by" if self.stopped else "the role is given away by"
        else:
            state = "fenced (scaled to 0) by"
        return (
            f"{workload}: {state} {self.holder} at {self.at} in a {self.operation} to {self.candidate}"
            f" (phase: {self.phase})"
        )

    def remedy(self, replicas: int) -> str:
        """How to go on from it."""
        if replicas:
            return (
                "If that run has ended, run 09 again with operation = switchover. It also puts back"
                " what that run"
                " changed."
            )
        return "If that run has ended, run 09 with operation = failover."


def role_change_mark(found: Mapping[str, Any]) -> RoleChangeMark | None:
    """The change of roles that a workload's annotation tells of; None where there is none."""
    text = (found["metadata"].get("annotations") or {}).get(ROLE_CHANGE)
    if not text:
        return None
    try:
        known = json.loads(text)
        return RoleChangeMark(
            **{key: known[key] for key in known if key in RoleChangeMark.__dataclass_fields__}
        )
    except (ValueError, TypeError):
        return RoleChangeMark("change of roles", str(text)[:80], "somebody", "an unknown time", "?")


def interrupted_changes(api: Api) -> list[tuple[Object, RoleChangeMark]]:
    """Every workload of the namespace with such an annotation; none where workloads may not be listed."""
    try:
        found = [item for kind in _WORKLOADS for item in list_all(api, kind)]
    except ClusterError:
        return []  # It only explains; the caller's own account goes on without.
    return [(item, change) for item in found if (change := role_change_mark(item)) is not None]


@dataclass(frozen=True)
class Interrupted:
    """A change of roles that stands on a workload, in words, and how to go on from it."""

    workload: str
    summary: str
    remedy: str


def told_changes(api: Api) -> tuple[Interrupted, ...]:
    """Each change of roles that was begun and did not end, for a reader."""
    found = []
    for item, change in interrupted_changes(api):
        name, replicas = item["metadata"]["name"], int(item["spec"].get("replicas", 1))
        found.append(Interrupted(name, change.summary(name, replicas), change.remedy(replicas)))
    return tuple(found)
