"""Weak fences: something may scale the old primary back, or its volume can't be fenced."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.cluster import Workload
from pgnb.core.errors import ClusterError, NotFound
from pgnb.core.plan import Confirmation
from pgnb.physical.failover.participants import RoleChange

_SCALERS = ("horizontalpodautoscalers", "scaledobjects")
_OWN = "pgnb"


def weaknesses(role_change: RoleChange) -> list[str]:
    """Return each reason why the old primary may accept writes again; empty if the fence holds."""
    found = [f"{tool} manages it and may scale it back" for tool in reconcilers(role_change)]
    if role_change.old.target is None:
        found.append(f"its volume can't be fenced: {role_change.old.fence_limitation}")
    elif role_change.progress.unreadable:
        found.append(f"its volume could not be fenced: {role_change.progress.unreadable}")
    return found


def weak_fence(role_change: RoleChange) -> list[Confirmation]:
    """Return the confirmation that a weak fence needs: `accept_weak_fence`, the workload's name."""
    reasons = weaknesses(role_change)
    if not reasons:
        return []
    why = (
        f"The fence of {role_change.old.name} is weak: {'; '.join(reasons)}. Keep it scaled to 0 there, too."
        " Otherwise it could accept writes beside the new primary."
    )
    return [Confirmation("accept_weak_fence", role_change.old.workload.name, why)]


def reconcilers(role_change: RoleChange) -> list[str]:
    """Name what may scale or change the old primary: GitOps tools, operators, autoscalers."""
    workload = role_change.old.reload()
    tools = [tool for tool in workload.managed_by if tool.lower() != _OWN]
    return [*tools, *(name for kind in _SCALERS for name in _scalers(role_change, workload, kind))]


def _scalers(role_change: RoleChange, workload: Workload, kind: str) -> Iterator[str]:
    try:
        found = role_change.cluster.list(kind)
    except NotFound:
        return  # The cluster does not have this kind.
    except ClusterError as error:
        yield f"possibly one of {kind}, which can't be read ({error.message})"
        return
    for item in found:
        target = (item.get("spec") or {}).get("scaleTargetRef") or {}
        kinds = target.get("kind", "Deployment")
        if (kinds, target.get("name")) == (workload.kind, workload.name):
            yield f"{kind.removesuffix('s')}/{item['metadata']['name']}"
