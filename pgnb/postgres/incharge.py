"""The gate before a change of a server that an operator is in charge of."""

from __future__ import annotations

from pgnb.cluster import Cluster, Pod
from pgnb.cluster.operators import operator_of
from pgnb.core.checks import Check, Checks, gate

PARAMETER = "accept_operator"


def assert_nobody_in_charge(cluster: Cluster, pod: Pod) -> None:
    """Refuse a server of an operator, unless the run accepts that operator by its name.

    In a run that changes nothing of servers (`accept_operator` is None) there is nothing to refuse; a
    plan-only run keeps the refusal for its verdict. Raises GateClosed with the operator's own way.
    """
    accepted = cluster.accept_operator
    found = operator_of(pod) if accepted is not None else None
    if found is None:
        return
    name = found.operator.name
    item = Check(
        f"nobody else is in charge of {pod.name}",
        name in (accepted or ()),
        found.summary,
        "nobody else",
        f"{name} takes changes back, or changes roles by itself. {found.operator.own_way} Where its own way"
        f" is no way for this change, set the parameter {PARAMETER} = [{name!r}] to make it all the same.",
    )
    gate(Checks.of(f"Who is in charge of {pod.name}", [item], cluster.journal, observed=True))
