"""Pre-checks of an operation, at the gate and again right before its first step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pgnb.cluster import Right
from pgnb.cluster.role_change_mark import role_change_mark
from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_bytes
from pgnb.physical.collation import collation_checks
from pgnb.physical.entrypoint import role_checks
from pgnb.physical.failover.participants import RoleChange, most_wal_check
from pgnb.physical.failover.write_block import read_only_by_default
from pgnb.physical.outside import mapped, outside_of
from pgnb.physical.sizing import standby_limit_checks
from pgnb.physical.slots import slots
from pgnb.physical.status import receiver
from pgnb.postgres import Server
from pgnb.postgres.progress import lsn_diff

_BEHIND = 64 * 1024 * 1024
"""Bytes of WAL: with more to replay, the switchover would stop writes for long."""
_LOST_SLOTS = (
    "The new primary will lack them, and their subscribers miss what they have not received. Since 17"
    " the candidate"
    " can synchronise them: failover = true on the slots; wal_level = logical, sync_replication_slots ="
    " on and"
    " hot_standby_feedback = on on the standby (06); a rule in pg_hba.conf for its role and database."
    " Otherwise recreate their subscriptions (12.9, recreate); to allow that, set"
)


def operation_checks(
    role_change: RoleChange,
    *,
    allow_promotion: bool | None = None,
    allow_rejoin: bool | None = None,
    rejoin_tablespaces: Mapping[str, str] | None = None,
) -> Checks:
    """Return the pre-checks of the chosen operation; they report if it has already completed.

    `allow_promotion` is checked for switchover and failover, `allow_rejoin` for rejoin: False stops the
    run, so that no operation changes anything without its permission; None asks for it later.
    `rejoin_tablespaces` is what `plan_rejoin` gets as tablespaces. Raises ParameterError, before a
    promotion, if it names a path that is not a tablespace of the new primary.
    """
    if rejoin_tablespaces and role_change.candidate.present:
        mapped(outside_of(role_change.candidate), rejoin_tablespaces, parameter="rejoin_tablespaces")
    checks = _operation_checks(role_change)
    name, allowed = (
        ("allow_rejoin", allow_rejoin)
        if role_change.operation == "rejoin"
        else ("allow_promotion", allow_promotion)
    )
    if allowed is None:
        return checks
    why = f"Nothing is changed without it. Set {name} = True to carry out the {role_change.operation}."
    item = Check(f"confirmed by {name}", allowed is True, allowed, True, why)
    return Checks.of(checks.title, [item, *checks], role_change.cluster.journal)


def _operation_checks(role_change: RoleChange) -> Checks:
    if not role_change.candidate.present:
        absent = Check("a standby", False, "none", "streaming", "Create it (section 3.3).")
        return Checks.of(f"Before {role_change.operation}", [absent], role_change.cluster.journal)
    if role_change.operation == "switchover" and not role_change.done:
        return switchover_prechecks(role_change)
    if role_change.operation == "failover":
        return failover_prechecks(role_change)
    return Checks.of(
        f"Before {role_change.operation}",
        [*_in_progress(role_change), *_return(role_change)],
        role_change.cluster.journal,
    )


def failover_prechecks(role_change: RoleChange) -> Checks:
    """Return the pre-checks of a failover, before the fence."""
    return Checks.of(
        "Before failover", [*_in_progress(role_change), *_failover(role_change)], role_change.cluster.journal
    )


def _in_progress(role_change: RoleChange) -> Iterator[Check]:
    """Check that no other change of roles is in progress."""
    workload = role_change.old.reload()
    change = role_change_mark(workload.object)
    words = change.summary(workload.label, workload.replicas) if change else "none"
    yield Check(
        "no change of roles in progress",
        change is None,
        words,
        "none",
        change.remedy(workload.replicas) if change else "",
        advice=True,
    )


def switchover_prechecks(role_change: RoleChange) -> Checks:
    """Return the pre-checks of a switchover: the primary answers, the candidate streams, nothing is lost."""
    old, why = role_change.old.server()
    items = [
        *_in_progress(role_change),
        *_rights(role_change),
        Check(
            "the primary answers",
            old is not None and not old.facts.in_recovery,
            why or (old.facts.role if old else ""),
            "a primary",
            "If it is lost: operation = failover.",
        ),
    ]
    if old is not None and not old.facts.in_recovery:
        items += [*_stream(old, role_change.candidate), most_wal_check(role_change)]
        items += [*_fit(old, role_change.candidate), *_kept(old, role_change)]
    return Checks.of("Before the switchover", items, role_change.cluster.journal)


def _rights(role_change: RoleChange) -> Checks:
    """Check the rights of every step, so that none fails between the fence and the Service's switch."""
    workload = role_change.old.workload
    fence = "to fence the old primary"
    rights = [
        Right("patch", "services", name=role_change.service, why="to lead clients to the new primary"),
        Right("patch", workload.plural, "apps", name=workload.name, why=fence),
        Right("create", "pods", why=fence),
        Right("delete", "pods", why="to remove the helper pod of the fence"),
    ]
    return role_change.cluster.access_checks(rights)


def _stream(old: Server, candidate: Server) -> Iterator[Check]:
    seen, facts = receiver(candidate), candidate.refresh()
    same = facts.system_identifier == old.facts.system_identifier
    yield Check(
        "same database cluster",
        same,
        facts.system_identifier,
        old.facts.system_identifier,
        "They were created by different runs of initdb.",
    )
    if seen is None:
        return
    yield Check(
        "the candidate streams",
        seen.streaming,
        seen.status or "no receiver",
        "streaming",
        "Run 08: the last rows would not arrive.",
    )
    yield Check(
        "replay is not paused",
        not seen.paused,
        seen.pause_state,
        "not paused",
        "Run SELECT pg_wal_replay_resume() on the candidate.",
    )
    now = old.scalar("SELECT pg_catalog.pg_current_wal_flush_lsn()::text")
    behind = lsn_diff(str(now), seen.replayed_lsn) if seen.replayed_lsn else None
    yield Check(
        "the candidate is almost up to date",
        behind is not None and behind < _BEHIND,
        format_bytes(behind),
        f"below {format_bytes(_BEHIND)}",
        "Let it catch up: writes would stop until it has.",
    )


def _fit(old: Server, candidate: Server) -> Iterator[Check]:
    """Check how the candidate would behave as a primary."""
    yield from standby_limit_checks(old, candidate)
    yield from collation_checks(candidate, old)
    names = candidate.scalar("SHOW synchronous_standby_names")
    yield Check(
        "asynchronous as a primary",
        not names,
        names or "empty",
        "empty",
        "Its commits would wait for these standbys.",
        advice=True,
    )
    read_only = read_only_by_default(candidate)
    yield Check(
        "writable as a primary",
        read_only == "off",
        f"default_transaction_read_only = {read_only}",
        "off",
        "Reset it on the candidate: otherwise clients could not write.",
    )


def _kept(old: Server, role_change: RoleChange) -> Iterator[Check]:
    """Check what only the old primary has: logical slots that are not synchronised, and its volume."""
    there = {slot.name for slot in slots(role_change.candidate) if slot.takes_over}
    lost = ", ".join(slot.name for slot in slots(old) if not slot.physical and slot.name not in there)
    yield Check(
        "logical slots",
        lost in ("", role_change.terms.allow_slot_loss),
        lost or "none would be lost",
        "none, or synchronised",
        f"{_LOST_SLOTS} allow_slot_loss = {lost!r}.",
    )
    yield Check(
        "the volume can be fenced",
        role_change.old.target is not None,
        role_change.old.volume,
        "a claim",
        "Scaling to 0 alone is a weak fence. Make sure that nobody scales it back.",
        advice=True,
    )
    yield from role_checks(old, role_change.candidate)
    allowed = old.facts.allow_alter_system
    yield Check(
        "writes can be stopped",
        allowed,
        f"allow_alter_system = {allowed}",
        True,
        "Set allow_alter_system = on for the switchover.",
    )


def _failover(role_change: RoleChange) -> Iterator[Check]:
    server, why = (
        role_change.old.server() if not role_change.done else (None, "the candidate is already a primary")
    )
    alive = server is not None and not server.facts.in_recovery
    yield Check(
        "the primary is lost",
        not alive,
        why or "it answers",
        "no answer",
        "operation = switchover loses nothing. Continue only if a switchover is impossible.",
        advice=True,
    )
    if not role_change.done:
        yield from _rights(role_change)
        yield most_wal_check(role_change)
        yield from collation_checks(role_change.candidate)
        yield from _takes_over(role_change)


def _takes_over(role_change: RoleChange) -> Iterator[Check]:
    """Check before the fence what would stop the promotion after it."""
    seen = receiver(role_change.candidate)
    yield Check(
        "the candidate is a standby that answers",
        seen is not None,
        role_change.candidate.facts.role,
        "a standby",
        "Set candidate to another one.",
    )
    paused = seen is not None and seen.paused
    yield Check(
        "replay is not paused",
        not paused,
        "paused" if paused else "not paused",
        "not paused",
        "Run SELECT pg_wal_replay_resume() on the candidate.",
    )


def _return(role_change: RoleChange) -> Iterator[Check]:
    yield Check(
        "there is a new primary",
        role_change.done,
        role_change.candidate.facts.role,
        "primary",
        "There is no new primary to follow. Run operation = switchover or failover first.",
    )
