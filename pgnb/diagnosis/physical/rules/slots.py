"""Findings about slots and the WAL that they should retain."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.display import format_bytes
from pgnb.core.findings import Finding
from pgnb.diagnosis.physical.log_messages import lines_about
from pgnb.diagnosis.physical.observation import Evidence, ServerObservation
from pgnb.diagnosis.physical.rules.history import history_of
from pgnb.physical import Slot
from pgnb.postgres.progress import lsn_text

_ANEW = (
    "Drop the slot (07), create it again (02, section 2.3), take a new base backup (03); then raise"
    " max_slot_wal_keep_size, or monitor the slot (10)."
)


def slot_findings(evidence: Evidence) -> Iterator[Finding]:
    """Report each standby's slot and missing WAL, then the slots that no standby here uses."""
    primary = evidence.primary
    if primary is None or not primary.reachable:
        return
    wanted = {evidence.slot_of(standby) for standby in evidence.standbys}
    for standby in evidence.standbys:
        if standby.reachable and standby.facts.in_recovery:
            yield from _of(evidence, standby, primary)
    for slot in primary.slots:
        yield from _state(slot, primary, wanted)


def _of(evidence: Evidence, standby: ServerObservation, primary: ServerObservation) -> Iterator[Finding]:
    name, own = evidence.slot_of(standby), standby.condition.slot if standby.condition else ""
    slot = primary.slot(name)
    absent = [wanted for wanted in dict.fromkeys((own, name)) if wanted and primary.slot(wanted) is None]
    if absent:
        yield _missing(standby, primary, absent[0])
    elif slot is not None and not standby.streaming and slot.active:
        yield from _in_use(standby, slot)
    elif name and standby.streaming and own != name:
        yield _not_used(standby, name, own)
    if not any(history_of(standby, primary)):
        # Positions of another timeline say nothing about this one's WAL.
        yield from _removed(standby, primary)


def _missing(standby: ServerObservation, primary: ServerObservation, name: str) -> Finding:
    there = ", ".join(slot.name for slot in primary.slots) or "none"
    return Finding(
        "slot-missing",
        standby.name,
        f"The primary has no slot {name}: it was never created, was dropped, or stayed on the old primary"
        " at a failover.",
        (f"slots of {primary.name}: {there}", *lines_about(standby.log, "slot-missing", limit=1)),
        "Create it (02, section 2.3); the standby then uses it by itself, as long as the primary still"
        " has its WAL.",
    )


def _in_use(standby: ServerObservation, slot: Slot) -> Iterator[Finding]:
    # A walsender with the standby's own address is its previous connection, or one that starts now.
    stale = slot.consumer_address == standby.pod.ip
    cause = (
        "A previous connection of this standby still holds it; it ends after wal_sender_timeout."
        if stale
        else "Another standby streams from it: each standby needs its own slot."
    )
    yield Finding(
        "slot-in-use",
        standby.name,
        cause,
        (f"slot {slot.name}: {slot.summary}", *lines_about(standby.log, "slot-in-use", limit=1)),
        "Wait, or end it by pg_terminate_backend(pid)."
        if stale
        else f"Find the consumer by its address ({slot.consumer_address or 'local'}): create its own slot"
        " (02, section 2.3) and set its primary_slot_name. Using another slot for this standby would"
        " leave this one orphaned.",
    )


def _not_used(standby: ServerObservation, wanted_slot: str, own: str) -> Finding:
    return Finding(
        "slot-not-used",
        standby.name,
        "While it is disconnected, nothing retains the WAL that it needs.",
        (f"primary_slot_name = {own!r}, expected {wanted_slot!r}",),
        f"ALTER SYSTEM SET primary_slot_name = '{wanted_slot}' on the standby, then reload (06, section"
        " 6.2).",
    )


def _removed(standby: ServerObservation, primary: ServerObservation) -> Iterator[Finding]:
    """Report WAL that was removed before the standby received it.

    A receiver requests WAL from the start of a segment. A standby that reports streaming is checked as well:
    it does so for a moment at each attempt.
    """
    oldest = primary.condition.oldest_wal if primary.condition else None
    size = primary.facts.wal_segment_size
    needed = standby.received - standby.received % size
    if oldest is None or not standby.received or needed >= oldest:
        return
    archive = standby.condition.settings.get("restore_command") if standby.condition else ""
    yield Finding(
        "wal-removed",
        standby.name,
        "The primary removed it: no slot retained it, or max_slot_wal_keep_size was reached. A larger"
        " wal_keep_size does not bring it back.",
        (
            f"needed from {lsn_text(needed)}, the oldest on {primary.name} is {lsn_text(oldest)}"
            f" ({format_bytes(oldest - needed)} missing)",
            f"restore_command: {archive or 'none'}",
            *lines_about(standby.log, "wal-removed", limit=1),
        ),
        "Take a new base backup (03), or set restore_command on the standby if an archive has that WAL.",
    )


def _state(slot: Slot, primary: ServerObservation, wanted: set[str]) -> Iterator[Finding]:
    subject, observed = f"slot {slot.name}", (f"{primary.name}: {slot.summary}",)
    cap = primary.condition.settings.get("max_slot_wal_keep_size") if primary.condition else ""
    if slot.lost:
        why = f" ({slot.invalidation_reason})" if slot.invalidation_reason else ""
        yield Finding(
            "slot-lost",
            subject,
            f"WAL that it should have retained was removed{why}: max_slot_wal_keep_size = {cap} MB was"
            " reached.",
            observed,
            _ANEW,
        )
    elif slot.wal_status == "unreserved":
        yield Finding(
            "slot-at-risk",
            subject,
            "It retains more than max_slot_wal_keep_size; the next checkpoint removes its WAL.",
            (*observed, f"safe_wal_size {format_bytes(slot.safe_wal_size)}"),
            "Raise max_slot_wal_keep_size now (06, section 6.1), then wait for its standby to catch up.",
        )
    elif not slot.active and slot.reserved and not slot.temporary and slot.name not in wanted:
        yield Finding(
            "slot-for-nobody",
            subject,
            "No standby here uses it, and it retains WAL without limit.",
            observed,
            "Drop it if its consumer will not return (07).",
        )
