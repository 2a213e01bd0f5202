"""Check a standby from both sides: the primary's views and its own."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.checks import Check, Checks
from pgnb.physical.sizing import standby_limit_checks
from pgnb.physical.slots import slots
from pgnb.physical.status import Receiver, Sender, receiver, senders
from pgnb.postgres import Server
from pgnb.postgres.slots import Slot

_LOG = "Read the standby's log: it names pg_hba.conf, password, slot or timeline."


def standby_checks(primary: Server, standby: Server, *, slot: str, application_name: str) -> Checks:
    """Check that a standby streams from the primary, with its slot and application_name, and can go on.

    The primary is asked by pg_stat_replication and pg_replication_slots, the standby by
    pg_stat_wal_receiver and its control file. A standby that does not exist yet fails one check.
    """
    title = f"{standby.name} follows {primary.name}"
    seen = receiver(standby)
    if seen is None:
        absent = Check("the standby", False, "does not exist yet", "streaming", "Create it (section 3.3).")
        return Checks.of(title, [absent], primary.journal)
    named = [s for s in senders(primary) if s.application_name == application_name]
    sender = named[0] if named else None
    items = [
        *_identity(primary, standby, seen),
        *_stream(seen, slot),
        *_primary_side(primary, named, slot, application_name),
        *_lasting(primary, standby, seen, sender),
    ]
    return Checks.of(title, items, primary.journal)


def _identity(primary: Server, standby: Server, seen: Receiver) -> Iterator[Check]:
    ours, theirs = primary.facts, standby.refresh()
    yield Check(
        "same database cluster",
        theirs.system_identifier == ours.system_identifier,
        theirs.system_identifier or "not readable",
        ours.system_identifier,
        "It was created by another initdb: take a base backup of this primary (section 3.3).",
    )
    yield Check(
        "in recovery",
        seen.in_recovery,
        seen.in_recovery,
        True,
        "It was promoted, or has no standby.signal.",
    )
    yield Check(
        "same timeline",
        theirs.timeline == ours.timeline,
        str(theirs.timeline),
        str(ours.timeline),
        "It is on another timeline: rejoin it (section 9), or take a new base backup.",
    )


def _stream(seen: Receiver, slot: str) -> Iterator[Check]:
    yield Check("receiver", seen.streaming, seen.status or "not running", "streaming", _LOG)
    yield Check(
        "receiver's slot",
        seen.slot == slot,
        seen.slot or "none",
        slot,
        "Set primary_slot_name on the standby (a reload is enough).",
    )
    yield Check(
        "replay",
        not seen.paused,
        seen.pause_state,
        "not paused",
        "Check whether a limit below the primary's paused it; then SELECT pg_wal_replay_resume() on the"
        " standby.",
    )


def _primary_side(primary: Server, named: list[Sender], slot: str, application_name: str) -> Iterator[Check]:
    others = ", ".join(sorted({s.application_name or "?" for s in senders(primary)})) or "none"
    sender = named[0] if len(named) == 1 else None
    yield Check(
        "application_name in force",
        sender is not None,
        application_name if sender else f"{len(named)} of that name; streaming: {others}",
        application_name,
        "primary_conninfo must contain it once; postgresql.auto.conf overrides postgresql.conf.",
    )
    yield Check(
        "sender's state",
        sender is not None and sender.streaming,
        sender.state if sender else "none",
        "streaming",
        "It starts or catches up: wait, or read the logs of both servers.",
    )
    yield _slot_check(slots(primary).find(slot), sender, slot)


def _slot_check(found: Slot | None, sender: Sender | None, slot: str) -> Check:
    ok = found is not None and sender is not None and found.active_pid == sender.pid and not found.lost
    return Check(
        "slot used by this standby",
        ok,
        found.summary if found else "does not exist",
        f"{slot}, by this standby",
        "The standby must stream from its own slot; otherwise the primary may remove WAL that it needs.",
    )


def _lasting(primary: Server, standby: Server, seen: Receiver, sender: Sender | None) -> Iterator[Check]:
    yield from standby_limit_checks(primary, standby)
    hot = seen.hot_standby
    yield Check("hot_standby", hot == "on", hot, "on", "Set hot_standby = on (restart).")
    yield Check(
        "no password in the connection",
        "password=" not in (seen.conninfo or ""),
        "see the standby's status",
        "a passfile",
        "Replace the password in primary_conninfo by a passfile.",
        advice=True,
    )
    names = primary.fetch_one("physical/room")["synchronous_standby_names"]
    yield Check(
        "asynchronous",
        not names,
        f"synchronous_standby_names = {names!r}",
        "empty",
        "Commits wait for these standbys; for asynchronous replication it must be empty.",
        advice=True,
    )
    yield _address_check(standby, sender)


def _address_check(standby: Server, sender: Sender | None) -> Check:
    """Check that no other pod uses this name; an address of no pod is that of a Service or node between."""
    own, others = "", dict[str, str]()
    if standby.present:
        own, cluster = standby.pod.ip, standby.cluster
        pods = [(pod["metadata"]["name"], pod.get("status") or {}) for pod in cluster.list("pods")]
        others = {status["podIP"]: name for name, status in pods if status.get("podIP") not in (None, own)}
    address = (sender.address if sender else None) or "not visible"
    return Check(
        "streams to this pod",
        address not in others,
        others.get(address, address),
        own or "any address",
        "Another pod uses this application_name: give each standby its own.",
    )
