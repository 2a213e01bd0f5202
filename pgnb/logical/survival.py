"""What becomes of the subscriptions when their publisher fails over to a standby of its own (fact 58).

Logical slots stay behind on the old primary unless the standby synchronises them (17). Slots that are made
again after a promotion begin there: what was written before and had not arrived is missed without an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgnb.core.checks import Check, Checks
from pgnb.logical.slots import logical_slots
from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import Server

_SYNCHRONISES = 17
_RECREATE = "After a failover of the publisher make the subscriptions anew: 12.9, remedy = recreate."
_FAILOVER = (
    "With the subscription disabled: ALTER SUBSCRIPTION ... SET (failover = true). Each standby wants"
    " wal_level = logical, sync_replication_slots = on and hot_standby_feedback = on (06)."
)
_WAIT = (
    "Name the standbys' slots there (06): else a subscriber may hold rows that the promoted standby lacks."
)


def survival_checks(publisher: Server, specs: Sequence[DatabaseSpec]) -> Checks:
    """Advice: whether the slots can be taken over by the publisher's standbys; changes nothing.

    What a standby has synchronised is seen there, by the gate of section 9. Source: pg_replication_slots,
    synchronized_standby_slots (17). Raises QueryFailed.
    """
    title = f"A failover of {publisher.name}"
    return Checks.of(title, _checks(publisher, specs), publisher.journal)


def _checks(publisher: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Check]:
    seen = publisher.fetch_one("logical/survival")
    standbys = seen["standby_slots"] if seen else []
    if not standbys:
        yield Check("physical standbys", True, "none with a slot", "none, or slots that are synchronised")
        return
    if publisher.facts.major < _SYNCHRONISES:
        version = f"PostgreSQL {publisher.facts.version_text}"
        yield Check("logical slots survive it", False, version, "17 or newer", _RECREATE, advice=True)
        return
    known = logical_slots(publisher)
    left = [spec.slot for spec in specs if spec.slot in known and not known[spec.slot].failover]
    found = f"not {', '.join(left)}" if left else "all"
    yield Check("logical slots can be synchronised", not left, found, "all", _FAILOVER, advice=True)
    waits = [name.strip() for name in (seen["waits_for"] or "").split(",") if name.strip()]
    yield Check(
        "subscribers wait for the standbys",
        bool(waits),
        ", ".join(waits) or "for none",
        f"for some of {', '.join(standbys)}",
        _WAIT,
        advice=True,
    )
