"""Switch the clients' Service to another server by its selector."""

from __future__ import annotations

from pgnb.cluster import Object
from pgnb.cluster.workloads import managers
from pgnb.core.checks import Check, Checks
from pgnb.core.plan import Change, Step
from pgnb.physical.failover.fence import wait_gone
from pgnb.physical.failover.inprogress import clear_mark
from pgnb.physical.failover.participants import RoleChange
from pgnb.postgres.services import own_labels, read_service, selector_words, switch


def plan_service(role_change: RoleChange) -> Change:
    """Plan to switch the Service to the candidate; empty if it already selects only that one.

    Open sessions stay on their server; those on the old primary have ended. Raises ParameterError for a
    Service without a selector, or with a port that the candidate does not have.
    """
    title, candidate = f"Service {role_change.service}", role_change.candidate
    if not candidate.present or role_change.operation == "rejoin":
        note = (
            f"The operation is {role_change.operation}."
            if candidate.present
            else "The standby does not exist yet."
        )
        return Change(title, role_change.cluster.journal, note=note)
    service, desired = read_service(role_change), own_labels(candidate)
    now = service["spec"]["selector"]
    if now == desired:
        note = f"It already leads to {candidate.name}."
        return Change(
            title,
            role_change.cluster.journal,
            steps=_over(role_change) if role_change.done else (),
            note=note,
        )
    what = f"selector: {selector_words(desired)}"
    step = Step(f"service/{role_change.service}", what, lambda: _switch(role_change, service), True)
    return Change(
        title,
        role_change.cluster.journal,
        f"selector: {selector_words(now)}\n",
        f"selector: {selector_words(desired)}\n",
        [step, *_over(role_change)],
        note=_tools(service),
        undo_text="restore the previous selector",
        precheck=lambda: _serves(role_change),
    )


def _serves(role_change: RoleChange) -> Checks:
    """Check that the candidate is a primary, since clients of the Service write."""
    role = role_change.candidate.refresh().role
    check = Check(
        "the candidate is a primary",
        role == "primary",
        role,
        "primary",
        "Promote it first: clients of this Service write.",
    )
    return Checks.of(
        f"Before the Service {role_change.service} is switched", [check], role_change.cluster.journal
    )


def _over(role_change: RoleChange) -> list[Step]:
    """Return the steps that end a change of roles after the Service's switch."""
    if role_change.progress.mark is None:
        return []
    over = Step(role_change.old.name, "the change of roles is over", lambda: clear_mark(role_change), True)
    away = Step(role_change.old.name, "see its pod gone and stay away", lambda: wait_gone(role_change))
    return [over, *([away] if role_change.operation == "failover" else [])]


def _switch(role_change: RoleChange, seen: Object) -> str:
    with role_change.phase("switch the Service"):
        return switch(role_change, seen)


def _tools(service: Object) -> str:
    tools = ", ".join(managers(service["metadata"]))
    return f"{tools} manages the Service and may revert this: change it there, too." if tools else ""
