"""The Service that clients use, led to another server: its selector is patched, the rest stays."""

from __future__ import annotations

from pgnb.cluster import Object
from pgnb.cluster.workloads import managers
from pgnb.core.checks import Check, Checks
from pgnb.core.plan import Change, Step
from pgnb.physical.failover.fence import wait_gone
from pgnb.physical.failover.inprogress import clear_mark
from pgnb.physical.failover.succession import Succession
from pgnb.postgres.services import own_labels, read_service, selector_words, switch


def plan_service(pair: Succession) -> Change:
    """Lead the Service to the candidate; nothing to do where it leads there alone already.

    Clients' open sessions stay where they are: those on the old primary ended with it. Raises
    ParameterError for a Service without a selector, or whose port the candidate does not have.
    """
    title, candidate = f"Service {pair.service}", pair.candidate
    if not candidate.present or pair.path == "rejoin":
        note = f"The path is {pair.path}." if candidate.present else "The standby is not there yet."
        return Change(title, pair.cluster.journal, note=note)
    service, wished = read_service(pair), own_labels(candidate)
    now = service["spec"]["selector"]
    if now == wished:
        note = f"It leads to {candidate.name} already."
        return Change(title, pair.cluster.journal, steps=_over(pair) if pair.done else (), note=note)
    what = f"selector: {selector_words(wished)}"
    step = Step(f"service/{pair.service}", what, lambda: _switch(pair, service), True)
    return Change(
        title,
        pair.cluster.journal,
        f"selector: {selector_words(now)}\n",
        f"selector: {selector_words(wished)}\n",
        [step, *_over(pair)],
        note=_tools(service),
        undo_text="put the former selector back",
        precheck=lambda: _serves(pair),
    )


def _serves(pair: Succession) -> Checks:
    """Clients are led to a primary only."""
    role = pair.candidate.refresh().role
    check = Check(
        "the candidate is a primary",
        role == "primary",
        role,
        "primary",
        "Promote it first: clients of this Service write.",
    )
    return Checks.of(f"Before the Service {pair.service} is switched", [check], pair.cluster.journal)


def _over(pair: Succession) -> list[Step]:
    """The mark of a change of roles that is in progress goes with the Service's switch."""
    if pair.change is None:
        return []
    over = Step(pair.old.name, "the change of roles is over", lambda: clear_mark(pair), True)
    away = Step(pair.old.name, "see its pod gone and stay away", lambda: wait_gone(pair))
    return [over, *([away] if pair.path == "failover" else [])]


def _switch(pair: Succession, seen: Object) -> str:
    with pair.phase("switch the Service"):
        return switch(pair, seen)


def _tools(service: Object) -> str:
    tools = ", ".join(managers(service["metadata"]))
    return f"{tools} manages the Service and may take this back: change it there, too." if tools else ""
