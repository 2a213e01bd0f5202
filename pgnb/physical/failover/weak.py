"""What makes a fence weak: somebody who may scale the old primary back, or a volume that can't be fenced."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.cluster import Workload
from pgnb.core.errors import ClusterError, NotFound
from pgnb.core.plan import Confirmation
from pgnb.physical.failover.succession import Succession

_SCALERS = ("horizontalpodautoscalers", "scaledobjects")
_OWN = "pgnb"


def weaknesses(pair: Succession) -> list[str]:
    """Each reason why the old primary may come back writable, read now; none: the fence holds."""
    found = [f"{tool} manages it and may scale it back" for tool in reconcilers(pair)]
    if pair.old.target is None:
        found.append(f"its volume can't be fenced: {pair.old.weak}")
    elif pair.unreadable:
        found.append(f"its volume could not be fenced: {pair.unreadable}")
    return found


def weak_fence(pair: Succession) -> list[Confirmation]:
    """The confirmation that a weak fence asks for: `accept_weak_fence`, the workload's name."""
    reasons = weaknesses(pair)
    if not reasons:
        return []
    why = (
        f"The fence of {pair.old.name} is weak: {'; '.join(reasons)}. Keep it scaled to 0 there, too: scaled"
        " back, it could take writes beside the new primary."
    )
    return [Confirmation("accept_weak_fence", pair.old.workload.name, why)]


def reconcilers(pair: Succession) -> list[str]:
    """Whoever may scale the old primary or rewrite it, by name: GitOps tools, operators, autoscalers."""
    workload = pair.old.again()
    tools = [tool for tool in workload.managed_by if tool.lower() != _OWN]
    return [*tools, *(name for kind in _SCALERS for name in _scalers(pair, workload, kind))]


def _scalers(pair: Succession, workload: Workload, kind: str) -> Iterator[str]:
    try:
        found = pair.cluster.list(kind)
    except NotFound:
        return  # The cluster does not have this kind.
    except ClusterError as error:
        yield f"an unknown one of {kind} ({error.message})"
        return
    for item in found:
        target = (item.get("spec") or {}).get("scaleTargetRef") or {}
        kinds = target.get("kind", "Deployment")
        if (kinds, target.get("name")) == (workload.kind, workload.name):
            yield f"{kind.removesuffix('s')}/{item['metadata']['name']}"
