"""Whether a path may begin: read at the gate, and once more right before the first step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pgnb.cluster import Right
from pgnb.cluster.rolechange import role_change_of
from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_bytes
from pgnb.physical.collation import collation_checks
from pgnb.physical.entrypoint import role_checks
from pgnb.physical.failover.quiet import read_only_by_default
from pgnb.physical.failover.succession import Succession, foremost
from pgnb.physical.outside import mapped, outside_of
from pgnb.physical.sizing import sizing_checks
from pgnb.physical.slots import slots
from pgnb.physical.status import receiver
from pgnb.postgres import Server
from pgnb.postgres.progress import lsn_diff

_BEHIND = 64 * 1024 * 1024
"""Bytes of WAL: with more to replay, writes would stand still for it."""
_LOST_SLOTS = (
    "They stay behind, and what their subscribers had not received is missed. From 17 on let the candidate"
    " synchronise them: failover = true on the slots; wal_level = logical, sync_replication_slots = on and"
    " hot_standby_feedback = on on the standby (06); a rule in pg_hba.conf for its role and its database."
    " Otherwise their subscriptions are made anew (12.9, recreate); to allow that, set"
)


def path_checks(
    pair: Succession,
    *,
    allow_promotion: bool | None = None,
    allow_rejoin: bool | None = None,
    rejoin_tablespaces: Mapping[str, str] | None = None,
) -> Checks:
    """The checks of the chosen path; those of a path that was gone already say so.

    `allow_promotion` is asked about on the paths switchover and failover, `allow_rejoin` on the path rejoin:
    False stops there, so that without its permission no path changes anything. None: asked for later.
    `rejoin_tablespaces` is what `plan_return` gets as tablespaces. Raises ParameterError, before a promotion,
    where it names what is no tablespace of the new primary's.
    """
    if rejoin_tablespaces and pair.candidate.present:
        mapped(outside_of(pair.candidate), rejoin_tablespaces, parameter="rejoin_tablespaces")
    checks = _path_checks(pair)
    name, allowed = (
        ("allow_rejoin", allow_rejoin) if pair.path == "rejoin" else ("allow_promotion", allow_promotion)
    )
    if allowed is None:
        return checks
    why = f"Nothing is changed without it: set {name} = True to carry out the {pair.path}."
    item = Check(f"confirmed by {name}", allowed is True, allowed, True, why)
    return Checks.of(checks.title, [item, *checks], pair.cluster.journal)


def _path_checks(pair: Succession) -> Checks:
    if not pair.candidate.present:
        absent = Check("a standby", False, "not there yet", "streaming", "Make it (section 3.3).")
        return Checks.of(f"Before {pair.path}", [absent], pair.cluster.journal)
    if pair.path == "switchover" and not pair.done:
        return switchover_checks(pair)
    if pair.path == "failover":
        return failover_checks(pair)
    return Checks.of(f"Before {pair.path}", [*_in_progress(pair), *_return(pair)], pair.cluster.journal)


def failover_checks(pair: Succession) -> Checks:
    """What can be known before the fence of a primary that is lost."""
    return Checks.of("Before failover", [*_in_progress(pair), *_failover(pair)], pair.cluster.journal)


def _in_progress(pair: Succession) -> Iterator[Check]:
    """A change of roles that was begun and not ended, by whom and how far."""
    workload = pair.old.again()
    change = role_change_of(workload.object)
    words = change.summary(workload.label, workload.replicas) if change else "none"
    yield Check(
        "no change of roles in progress",
        change is None,
        words,
        "none",
        change.remedy(workload.replicas) if change else "",
        advice=True,
    )


def switchover_checks(pair: Succession) -> Checks:
    """A primary that answers, a standby that streams from it and is near, and nothing that would be lost."""
    old, why = pair.old.server()
    items = [
        *_in_progress(pair),
        *_rights(pair),
        Check(
            "the primary answers",
            old is not None and not old.facts.in_recovery,
            why or (old.facts.role if old else ""),
            "a primary",
            "Where it is lost: path = failover.",
        ),
    ]
    if old is not None and not old.facts.in_recovery:
        items += [*_stream(old, pair.candidate), foremost(pair)]
        items += [*_fit(old, pair.candidate), *_kept(old, pair)]
    return Checks.of("Before the switchover", items, pair.cluster.journal)


def _rights(pair: Succession) -> Checks:
    """What must not turn out to be forbidden between the fence and the Service's switch."""
    workload = pair.old.workload
    fence = "to fence the old primary"
    rights = [
        Right("patch", "services", name=pair.service, why="to lead clients to the new primary"),
        Right("patch", workload.plural, "apps", name=workload.name, why=fence),
        Right("create", "pods", why=fence),
        Right("delete", "pods", why="to remove the helper pod of the fence"),
    ]
    return pair.cluster.access_checks(rights)


def _stream(old: Server, candidate: Server) -> Iterator[Check]:
    seen, facts = receiver(candidate), candidate.refresh()
    same = facts.system_identifier == old.facts.system_identifier
    yield Check(
        "same database cluster",
        same,
        facts.system_identifier,
        old.facts.system_identifier,
        "It was made by another initdb.",
    )
    if seen is None:
        return
    yield Check(
        "the candidate streams",
        seen.streaming,
        seen.status or "no receiver",
        "streaming",
        "See 08: the last rows would never arrive.",
    )
    yield Check(
        "replay is not paused",
        not seen.paused,
        seen.pause_state,
        "not paused",
        "SELECT pg_wal_replay_resume() on the candidate.",
    )
    now = old.scalar("SELECT pg_catalog.pg_current_wal_flush_lsn()::text")
    behind = lsn_diff(str(now), seen.replayed_lsn) if seen.replayed_lsn else None
    yield Check(
        "the candidate is near",
        behind is not None and behind < _BEHIND,
        format_bytes(behind),
        f"below {format_bytes(_BEHIND)}",
        "Let it catch up: writes would wait for it.",
    )


def _fit(old: Server, candidate: Server) -> Iterator[Check]:
    """What the candidate would be as a primary."""
    yield from sizing_checks(old, candidate)
    yield from collation_checks(candidate, old)
    names = candidate.scalar("SHOW synchronous_standby_names")
    yield Check(
        "asynchronous as a primary",
        not names,
        names or "empty",
        "empty",
        "Its commits would wait for those standbys.",
        advice=True,
    )
    read_only = read_only_by_default(candidate)
    yield Check(
        "writable as a primary",
        read_only == "off",
        f"default_transaction_read_only = {read_only}",
        "off",
        "Reset it on the candidate: clients could not write.",
    )


def _kept(old: Server, pair: Succession) -> Iterator[Check]:
    """What lives on the old primary only: logical slots that nobody synchronised, and its own volume."""
    there = {slot.name for slot in slots(pair.candidate) if slot.takes_over}
    lost = ", ".join(slot.name for slot in slots(old) if not slot.physical and slot.name not in there)
    yield Check(
        "logical slots",
        lost in ("", pair.accepted_slots),
        lost or "none would be lost",
        "none, or synchronised",
        f"{_LOST_SLOTS} accept_lost_slots = {lost!r}.",
    )
    yield Check(
        "the volume can be fenced",
        pair.old.target is not None,
        pair.old.volume,
        "a claim",
        "Scale 0 alone is a weak fence: let nobody scale it back.",
        advice=True,
    )
    yield from role_checks(old, pair.candidate)
    allowed = old.facts.allow_alter_system
    yield Check(
        "writes can be stopped",
        allowed,
        f"allow_alter_system = {allowed}",
        True,
        "Allow it for the switchover.",
    )


def _failover(pair: Succession) -> Iterator[Check]:
    server, why = pair.old.server() if not pair.done else (None, "the candidate has its role")
    alive = server is not None and not server.facts.in_recovery
    yield Check(
        "the primary is lost",
        not alive,
        why or "it answers",
        "no answer",
        "path = switchover loses nothing; go on only if it can't be used.",
        advice=True,
    )
    if not pair.done:
        yield from _rights(pair)
        yield foremost(pair)
        yield from collation_checks(pair.candidate)
        yield from _takes_over(pair)


def _takes_over(pair: Succession) -> Iterator[Check]:
    """What would stop the promotion after the fence is known before it."""
    seen = receiver(pair.candidate)
    yield Check(
        "the candidate is a standby that answers",
        seen is not None,
        pair.candidate.facts.role,
        "a standby",
        "Name another one by candidate.",
    )
    paused = seen is not None and seen.paused
    yield Check(
        "replay is not paused",
        not paused,
        "paused" if paused else "not paused",
        "not paused",
        "SELECT pg_wal_replay_resume() on the candidate.",
    )


def _return(pair: Succession) -> Iterator[Check]:
    yield Check(
        "there is a new primary",
        pair.done,
        pair.candidate.facts.role,
        "primary",
        "Nothing to return to: path = switchover or failover first.",
    )
