"""The change of roles in progress, as an annotation on the old primary's workload.

It stays as long as the phase lasts, also after the run was killed, so that the next run can report it.
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
class RoleChange:
    """A change of roles: the operation and its phase, by whom, since when, and the candidate.

    `standing` is default_transaction_read_only in postgresql.auto.conf before pgnb stopped writes (None: not
    in it); it is valid only if `stopped` is true.
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
        """Return what is left of it, for a reader."""
        if replicas:
            state = "writes are stopped by" if self.stopped else "the role is being given away by"
        else:
            state = "fenced (scaled to 0) by"
        return (
            f"{workload}: {state} {self.holder} at {self.at} in a {self.operation} to {self.candidate}"
            f" (phase: {self.phase})"
        )

    def remedy(self, replicas: int) -> str:
        """Return how to continue."""
        if replicas:
            return (
                "If that run has ended, continue with 09, path = switchover; it also restores what it finds."
            )
        return "If that run has ended, continue with 09, path = failover."


def role_change_of(found: Mapping[str, Any]) -> RoleChange | None:
    """Return the change of roles in a workload's annotation; None if there is none."""
    text = (found["metadata"].get("annotations") or {}).get(ROLE_CHANGE)
    if not text:
        return None
    try:
        known = json.loads(text)
        return RoleChange(**{key: known[key] for key in known if key in RoleChange.__dataclass_fields__})
    except (ValueError, TypeError):
        return RoleChange("change of roles", str(text)[:80], "somebody", "an unknown time", "?")


def interrupted_changes(api: Api) -> list[tuple[Object, RoleChange]]:
    """Return every workload of the namespace with such an annotation; none if workloads may not be listed."""
    try:
        found = [item for kind in _WORKLOADS for item in list_all(api, kind)]
    except ClusterError:
        return []  # Only an explanation; without it, the caller's own message must be enough.
    return [(item, change) for item in found if (change := role_change_of(item)) is not None]


@dataclass(frozen=True)
class Interrupted:
    """A change of roles on a workload that was not completed, as text, and how to continue."""

    workload: str
    summary: str
    remedy: str


def told_changes(api: Api) -> tuple[Interrupted, ...]:
    """Return each change of roles that was begun and not completed, for a reader."""
    found = []
    for item, change in interrupted_changes(api):
        name, replicas = item["metadata"]["name"], int(item["spec"].get("replicas", 1))
        found.append(Interrupted(name, change.summary(name, replicas), change.remedy(replicas)))
    return tuple(found)
