"""Decide whether the old primary may accept writes again, by what servers and API server say now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgnb.cluster import Object
from pgnb.core.errors import LeaseLost, PgnbError
from pgnb.physical.failover.participants import RoleChange
from pgnb.postgres import Server
from pgnb.postgres.services import read_service, selector_words


@dataclass(frozen=True)
class Before:
    """The state at the time of planning: the candidate's timeline, and the Service."""

    timeline: int
    service: Object

    @classmethod
    def of(cls, role_change: RoleChange) -> Before:
        """Read the state now. Raises ParameterError for a Service that can't be switched."""
        return cls(role_change.candidate.facts.timeline, read_service(role_change))


def reasons_against_undo(role_change: RoleChange, before: Before) -> list[str]:
    """Return the reasons why the old primary must not accept writes again; empty if it may.

    Somebody else may have promoted a standby. Anything that can't be read counts as a reason.
    """
    reasons = [
        reason for one in (role_change.candidate, *role_change.others) for reason in _of_standby(one, before)
    ]
    return [*reasons, *_of_service(role_change, before), *_of_lease(role_change)]


def _of_lease(role_change: RoleChange) -> Iterator[str]:
    try:
        role_change.cluster.journal.assert_guarded()
    except LeaseLost as lost:
        yield f"{lost.message} ({lost.found})"


def _of_standby(standby: Server, before: Before) -> Iterator[str]:
    try:
        facts = standby.refresh()
    except PgnbError as error:
        yield f"{standby.name} does not answer ({error.message})"
        return
    if not facts.in_recovery:
        yield f"{standby.name} is a primary on timeline {facts.timeline}"
    elif facts.timeline != before.timeline:
        yield f"{standby.name} follows timeline {facts.timeline}, it was {before.timeline}"


def _of_service(role_change: RoleChange, before: Before) -> Iterator[str]:
    try:
        selector = read_service(role_change)["spec"]["selector"]
    except PgnbError as error:
        yield f"the Service {role_change.service} can't be read ({error.message})"
        return
    if selector != before.service["spec"]["selector"]:
        yield f"the Service {role_change.service} selects {selector_words(selector)}"


def next_step(role_change: RoleChange) -> str:
    """Return how to go on from a state in which the old primary accepts no writes."""
    return (
        "Go on with pgnb run 09 -p operation failover -p allow_promotion true. To give up instead,"
        " first make sure"
        f" that every standby of {role_change.old.name} is still in recovery."
    )
