"""The mark of a change of roles in progress: an annotation on the old primary's workload.

It stays until the change of roles is over, even if the run is killed. So the next run can name the
interrupted one.
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
    """The operation, its phase, who runs it, since when, and the candidate.

    `standing` is the value of default_transaction_read_only in postgresql.auto.conf before pgnb blocked
    writes (None: it had none); it counts only if `stopped` says that pgnb did.
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
        """Describe the state that it left."""
        if replicas:
            state = "writes are stopped by" if self.stopped else "a change of roles was begun by"
        else:
            state = "fenced (scaled to 0) by"
        return (
            f"{workload}: {state} {self.holder} at {self.at} in a {self.operation} to {self.candidate}"
            f" (phase: {self.phase})"
        )

    def remedy(self, replicas: int) -> str:
        """Say how to go on from it."""
        if replicas:
            return (
                "If that run has ended, run 09 again with operation = switchover. It also puts back"
                " what that run"
                " changed."
            )
        return "If that run has ended, run 09 with operation = failover."


def role_change_mark(found: Mapping[str, Any]) -> RoleChangeMark | None:
    """Read a workload's mark; None if it has none."""
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
    """Return every workload of the namespace with a mark; empty if workloads may not be listed."""
    try:
        found = [item for kind in _WORKLOADS for item in list_all(api, kind)]
    except ClusterError:
        return []  # The mark only explains; the caller goes on without it.
    return [(item, change) for item in found if (change := role_change_mark(item)) is not None]


@dataclass(frozen=True)
class Interrupted:
    """A change of roles that did not end, described, and how to go on."""

    workload: str
    summary: str
    remedy: str


def told_changes(api: Api) -> tuple[Interrupted, ...]:
    """Describe each change of roles that did not end."""
    found = []
    for item, change in interrupted_changes(api):
        name, replicas = item["metadata"]["name"], int(item["spec"].get("replicas", 1))
        found.append(Interrupted(name, change.summary(name, replicas), change.remedy(replicas)))
    return tuple(found)
