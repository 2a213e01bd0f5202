"""The publisher's logical slots: what each retains, their creation with a deadline, and their drop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_bytes, format_duration
from pgnb.core.errors import DeadlineExceeded, GateClosed, QueryFailed
from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import Rows, Server
from pgnb.postgres.slots import Slot, read_slots

_CREATE = {
    14: "SELECT pg_catalog.pg_create_logical_replication_slot(%s, 'pgoutput', false, %s)::text AS made",
    17: "SELECT pg_catalog.pg_create_logical_replication_slot(%s, 'pgoutput', false, %s, %s)::text AS made",
}
_DROP = "SELECT pg_catalog.pg_drop_replication_slot(%s)"
_CANCELLED = "57014"
_SHOWN = 5


def logical_slots(publisher: Server) -> dict[str, Slot]:
    """Read every logical slot of the publisher by name; one query."""
    return {slot.name: slot for slot in read_slots(publisher) if not slot.physical}


def slot_state(slot: Slot) -> str:
    """Return state and retained WAL of a logical slot, in one line."""
    state = f"active ({slot.consumer_state or 'starting'})" if slot.active else "inactive"
    return f"{state}, {slot.wal_status}, {format_bytes(slot.retained_bytes)} retained, of {slot.database}"


def create_slot(
    publisher: Server, spec: DatabaseSpec, *, two_phase: bool, failover: bool, timeout: float
) -> str:
    """Create the spec's slot, journalled; return the LSN that it starts from. `timeout` in seconds.

    Slot creation waits for every transaction that is open at its start, in any database. Raises
    DeadlineExceeded, which names these transactions, after the attempt was cancelled.
    """
    statement = _CREATE[17 if publisher.facts.major >= 17 else 14]
    values = (spec.slot, two_phase, failover) if publisher.facts.major >= 17 else (spec.slot, two_phase)
    with publisher.journal.act(publisher.name, f"create the logical slot {spec.slot}") as act:
        # It waits for the transactions by their locks, which blocks nobody else.
        with publisher.new_session(spec.database, statement_timeout=timeout, lock_timeout=0) as session:
            try:
                made = session.execute(statement, values)[0]["made"]
            except QueryFailed as failure:
                if failure.sqlstate != _CANCELLED:
                    raise
                raise _blocked(publisher, spec, timeout) from failure
        act.result = f"starts at {made.strip('()').split(',')[1]}"
    return act.result


def drop_slot(publisher: Server, slot: str) -> str:
    """Drop one slot, journalled. Raises QueryFailed if it is active."""
    publisher.execute(_DROP, (slot,), what=f"drop the logical slot {slot}")
    return "dropped"


def slot_blockers(publisher: Server) -> Rows:
    """Return the open transactions that slot creation would wait for, the oldest first; ages in seconds."""
    return publisher.query("logical/slot_blockers")


def blockers_text(blockers: Rows) -> str:
    """Return what slot creation waits for, in one line."""
    words = [
        f"{b['who']} ({b['role']} in {b['database']}, {b['application_name'] or 'no name'}, {b['state']} for"
        f" {format_duration(b['age'])})"
        for b in blockers[:_SHOWN]
    ]
    more = f" and {len(blockers) - _SHOWN} more" if len(blockers) > _SHOWN else ""
    return f"{', '.join(words) or 'none'}{more}"


def _blocked(publisher: Server, spec: DatabaseSpec, timeout: float) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"the slot {spec.slot} was not created within {format_duration(timeout)}; the attempt was cancelled",
        found=f"open transactions: {blockers_text(slot_blockers(publisher))}",
        remedy="End them (pg_terminate_backend(pid), or COMMIT/ROLLBACK PREPARED), or wait longer.",
    )


def usable_slot(slots: dict[str, Slot], spec: DatabaseSpec) -> Slot | None:
    """Return the spec's slot if no subscriber uses it and no WAL is lost; None if there is none.

    Raises GateClosed for one that belongs to another subscriber, or has lost WAL.
    """
    slot = slots.get(spec.slot)
    if slot is None:
        return None
    wrong = (
        "is in use by another subscriber"
        if slot.active
        else "has lost WAL"
        if slot.lost
        else f"belongs to the database {slot.database}"
        if slot.database != spec.database
        else f"has the plugin {slot.plugin}"
        if slot.plugin != "pgoutput"
        else ""
    )
    if wrong:
        raise GateClosed(
            f"{spec.database}: there is a slot {spec.slot} on the publisher, and it {wrong}",
            found=slot_state(slot),
            remedy="Give this subscription another name, or drop that slot if it is not needed (07).",
        )
    return slot


def unused(publisher: Server, specs: Sequence[DatabaseSpec]) -> Checks:
    """Check that no subscription's slot for those specs is left on the publisher."""
    slots = logical_slots(publisher)
    items = [
        Check(
            f"{spec.publication} is not used",
            spec.slot not in slots,
            slot_state(slots[spec.slot]) if spec.slot in slots else "no slot",
            "no slot",
            "Drop the subscription first: dropping its publication stalls it permanently.",
        )
        for spec in specs
    ]
    return Checks.of("Publications that may be dropped", items, publisher.journal)


_SYNCHRONISES = 17
_RECREATE = "After a failover of the publisher recreate the subscriptions: 12.9, remedy = 'recreate'."
_FAILOVER = (
    "With the subscription disabled: ALTER SUBSCRIPTION ... SET (failover = true). Each standby needs"
    " wal_level = logical, sync_replication_slots = on and hot_standby_feedback = on (06)."
)
_WAIT = (
    "Set synchronized_standby_slots to the standbys' slots (06); otherwise a subscriber may have rows"
    " that the promoted standby lacks."
)


def slot_failover_checks(publisher: Server, specs: Sequence[DatabaseSpec]) -> Checks:
    """Check, as advice, whether standbys of the publisher can take over the slots; changes nothing (fact 58).

    Logical slots stay on the old primary unless the standby synchronises them (since 17). Slots that are
    created again after a promotion start there: what was written before and had not arrived is missing
    without an error. The gate of section 9 checks what a standby has synchronised. Source:
    pg_replication_slots, synchronized_standby_slots (since 17). Raises QueryFailed.
    """
    title = f"A failover of {publisher.name}"
    return Checks.of(title, _failover_checks(publisher, specs), publisher.journal)


def _failover_checks(publisher: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Check]:
    seen = publisher.fetch_one("logical/slot_failover")
    standbys = seen["standby_slots"] if seen else []
    if not standbys:
        yield Check("physical standbys", True, "none with a slot", "none, or synchronised slots")
        return
    if publisher.facts.major < _SYNCHRONISES:
        version = f"PostgreSQL {publisher.facts.version_text}"
        yield Check("logical slots survive a failover", False, version, "17 or newer", _RECREATE, advice=True)
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
