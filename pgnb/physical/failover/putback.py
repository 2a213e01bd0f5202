"""Whether the old primary may take writes again: read now, from the servers and the API, never remembered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgnb.cluster import Object
from pgnb.core.errors import LeaseLost, PgnbError
from pgnb.physical.failover.succession import Succession
from pgnb.postgres import Server
from pgnb.postgres.services import read_service, selector_words


@dataclass(frozen=True)
class Before:
    """What the plan saw: the candidate's timeline, and the Service."""

    timeline: int
    service: Object

    @classmethod
    def of(cls, pair: Succession) -> Before:
        """As it is now. Raises ParameterError for a Service that can't be switched."""
        return cls(pair.candidate.facts.timeline, read_service(pair))


def against_putting_back(pair: Succession, before: Before) -> list[str]:
    """Why the old primary must not take writes again, one reason each; none: it may.

    Somebody else may have promoted meanwhile. Whatever can't be read is a reason, too.
    """
    reasons = [reason for one in (pair.candidate, *pair.others) for reason in _of_standby(one, before)]
    return [*reasons, *_of_service(pair, before), *_of_lease(pair)]


def _of_lease(pair: Succession) -> Iterator[str]:
    try:
        pair.cluster.journal.assert_guarded()
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


def _of_service(pair: Succession, before: Before) -> Iterator[str]:
    try:
        selector = read_service(pair)["spec"]["selector"]
    except PgnbError as error:
        yield f"the Service {pair.service} can't be read ({error.message})"
        return
    if selector != before.service["spec"]["selector"]:
        yield f"the Service {pair.service} selects {selector_words(selector)}"


def going_on(pair: Succession) -> str:
    """The command that goes on from a state in which the old primary takes no writes."""
    return (
        "Go on with pgnb run 09 -p path failover -p allow_promotion true. To give up instead, see first that"
        f" every standby of {pair.old.name} is still in recovery."
    )
