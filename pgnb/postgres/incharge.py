"""Gate changes of a server that an operator manages."""

from __future__ import annotations

from pgnb.cluster import Cluster, Pod
from pgnb.cluster.operators import operator_of
from pgnb.core.checks import Check, Checks, gate

PARAMETER = "accept_operator"


def assert_nobody_in_charge(cluster: Cluster, pod: Pod) -> None:
    """Raise GateClosed for a server of an operator, unless the run accepts that operator by its name.

    In a run that changes nothing of servers (`accept_operator` is None) nothing is refused; a plan-only run
    records the refusal for its verdict. The error names the operator's own way.
    """
    accepted = cluster.accept_operator
    found = operator_of(pod) if accepted is not None else None
    if found is None:
        return
    name = found.operator.name
    item = Check(
        f"nobody else manages {pod.name}",
        name in (accepted or ()),
        found.summary,
        "nobody else",
        f"{name} takes changes back, or changes roles by itself. {found.operator.own_way} If"
        f" the change is not possible that way, set the parameter {PARAMETER} = [{name!r}] to"
        " make it nevertheless.",
    )
    gate(Checks.of(f"Who manages {pod.name}", [item], cluster.journal, observed=True))
