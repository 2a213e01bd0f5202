"""The publisher's logical slots: what each holds back, how they are made with a deadline, and dropped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_bytes, format_duration
from pgnb.core.errors import DeadlineExceeded, GateClosed, QueryFailed
from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import Rows, Server

_CREATE = {
    14: "SELECT pg_catalog.pg_create_logical_replication_slot(%s, 'pgoutput', false, %s)::text AS made",
    17: "SELECT pg_catalog.pg_create_logical_replication_slot(%s, 'pgoutput', false, %s, %s)::text AS made",
}
_DROP = "SELECT pg_catalog.pg_drop_replication_slot(%s)"
_CANCELLED = "57014"
_SHOWN = 5


@dataclass(frozen=True)
class LogicalSlot:
    """One logical slot with its walsender, of one moment (`now_lsn`). Sizes are bytes, `replay_lag` seconds.

    `lag_bytes`: WAL that the subscriber has not confirmed; `retained_bytes`: WAL kept for it;
    `safe_wal_size`: what may be written before it is in danger (None: no cap, or lost). What is of a version
    above the server's is None: `two_phase`, `failover` and `invalidation_reason` (17).
    `total_txns` were sent since the statistics were reset.
    Source: pg_replication_slots, pg_stat_replication, pg_stat_replication_slots.
    """

    name: str
    plugin: str
    database: str
    active: bool
    active_pid: int | None
    temporary: bool
    wal_status: str | None
    restart_lsn: str | None
    confirmed_flush_lsn: str | None
    now_lsn: str
    retained_bytes: int | None
    lag_bytes: int | None
    safe_wal_size: int | None
    two_phase: bool | None
    failover: bool | None
    invalidation_reason: str | None
    sender_state: str | None
    application_name: str | None
    address: str | None
    replay_lag: float | None
    total_txns: int
    spill_bytes: int
    stream_bytes: int

    @property
    def lost(self) -> bool:
        """Whether WAL that it should have kept is gone: its subscription needs a new slot and a new copy."""
        return self.wal_status == "lost" or bool(self.invalidation_reason)

    @property
    def summary(self) -> str:
        """State and what is retained, in one line."""
        state = f"active ({self.sender_state or 'starting'})" if self.active else "inactive"
        return f"{state}, {self.wal_status}, {format_bytes(self.retained_bytes)} retained, of {self.database}"


def logical_slots(publisher: Server) -> dict[str, LogicalSlot]:
    """Every logical slot of the publisher by name; one round trip."""
    return {row["name"]: LogicalSlot(**row) for row in publisher.query("logical/slots")}


def create_slot(
    publisher: Server, spec: DatabaseSpec, *, two_phase: bool, failover: bool, timeout: float
) -> str:
    """Make the spec's slot, journalled; the LSN that it starts from. `timeout` in seconds.

    The creation waits for every transaction that is open at its beginning, in any database. Raises
    DeadlineExceeded, which names the transactions that it waits for, once the attempt was cancelled.
    """
    statement = _CREATE[17 if publisher.facts.major >= 17 else 14]
    values = (spec.slot, two_phase, failover) if publisher.facts.major >= 17 else (spec.slot, two_phase)
    with publisher.journal.act(publisher.name, f"create the logical slot {spec.slot}") as act:
        # It waits for the transactions by their locks, which keeps nobody else waiting.
        with publisher.new_session(spec.database, statement_timeout=timeout, lock_timeout=0) as session:
            try:
                made = session.execute(statement, values)[0]["made"]
            except QueryFailed as failure:
                if failure.sqlstate != _CANCELLED:
                    raise
                raise _blocked(publisher, spec, timeout) from failure
        act.result = f"from {made.strip('()').split(',')[1]} on"
    return act.result


def drop_slot(publisher: Server, slot: str) -> str:
    """Drop one slot, journalled. Raises QueryFailed for one that is active."""
    publisher.execute(_DROP, (slot,), what=f"drop the logical slot {slot}")
    return "dropped"


def slot_blockers(publisher: Server) -> Rows:
    """The open transactions that the creation of a slot would wait for, the oldest first; ages in seconds."""
    return publisher.query("logical/slot_blockers")


def blocker_words(blockers: Rows) -> str:
    """Who holds slot creation up, in one line."""
    words = [
        f"{b['who']} ({b['role']} in {b['database']}, {b['application_name'] or 'no name'}, {b['state']} for"
        f" {format_duration(b['age'])})"
        for b in blockers[:_SHOWN]
    ]
    more = f" and {len(blockers) - _SHOWN} more" if len(blockers) > _SHOWN else ""
    return f"{', '.join(words) or 'nobody'}{more}"


def _blocked(publisher: Server, spec: DatabaseSpec, timeout: float) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"the slot {spec.slot} was not made within {format_duration(timeout)}; the attempt was cancelled",
        found=f"open transactions: {blocker_words(slot_blockers(publisher))}",
        remedy="Let them end (pg_terminate_backend(pid), or COMMIT/ROLLBACK PREPARED), or wait longer.",
    )


def usable_slot(slots: dict[str, LogicalSlot], spec: DatabaseSpec) -> LogicalSlot | None:
    """The spec's slot where there is one that nobody reads and that lacks nothing; None where there is none.

    Raises GateClosed for one that belongs to somebody else, or has lost WAL.
    """
    slot = slots.get(spec.slot)
    if slot is None:
        return None
    wrong = (
        "is in use by another subscriber"
        if slot.active
        else "has lost WAL"
        if slot.lost
        else f"is of the database {slot.database}"
        if slot.database != spec.database
        else f"has the plugin {slot.plugin}"
        if slot.plugin != "pgoutput"
        else ""
    )
    if wrong:
        raise GateClosed(
            f"{spec.database}: there is a slot {spec.slot} on the publisher, and it {wrong}",
            found=slot.summary,
            remedy="Give this subscription another name, or drop that slot if nobody needs it (section 7).",
        )
    return slot


def unused(publisher: Server, specs: Sequence[DatabaseSpec]) -> Checks:
    """Checks that no subscription's slot is left on the publisher for those specs."""
    slots = logical_slots(publisher)
    items = [
        Check(
            f"{spec.publication} is not subscribed to",
            spec.slot not in slots,
            slots[spec.slot].summary if spec.slot in slots else "no slot",
            "no slot",
            "Drop the subscription first: a publication that goes away under it stalls it for good.",
        )
        for spec in specs
    ]
    return Checks.of("Publications that may go", items, publisher.journal)


_SYNCHRONISES = 17
_RECREATE = "After a failover of the publisher make the subscriptions anew: 12.9, remedy = recreate."
_FAILOVER = (
    "With the subscription disabled: ALTER SUBSCRIPTION ... SET (failover = true). Each standby wants"
    " wal_level = logical, sync_replication_slots = on and hot_standby_feedback = on (06)."
)
_WAIT = (
    "Name the standbys' slots there (06): else a subscriber may hold rows that the promoted standby lacks."
)


def slot_failover_checks(publisher: Server, specs: Sequence[DatabaseSpec]) -> Checks:
    """Advice: whether the slots can be taken over by the publisher's standbys; changes nothing.

    What a standby has synchronised is seen there, by the gate of section 9. Source: pg_replication_slots,
    synchronized_standby_slots (17). Raises QueryFailed.
    """
    title = f"A failover of {publisher.name}"
    return Checks.of(title, _failover_checks(publisher, specs), publisher.journal)


def _failover_checks(publisher: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Check]:
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
