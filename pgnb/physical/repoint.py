"""Re-point a further standby to the new primary (section 9): its slot there first, then its connection."""

from __future__ import annotations

from dataclasses import replace

from pgnb.cluster import Workload
from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_bytes
from pgnb.core.errors import ParameterError, WrongServer
from pgnb.core.plan import Change, Step
from pgnb.core.wait import wait_until
from pgnb.physical.login import login_step, logs_in
from pgnb.physical.manifest import data_owner
from pgnb.physical.slots import plan_slot
from pgnb.physical.status import Receiver, receiver
from pgnb.physical.streaming import streaming, wait_streaming
from pgnb.physical.timelines import fork, history_of
from pgnb.postgres import Server
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.conninfo import merged, parts_of, without_password
from pgnb.postgres.progress import lsn_bytes, lsn_text
from pgnb.postgres.source import Source

_END_RECEIVER = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_wal_receiver"


def plan_repoint(
    standby: Server,
    new_primary: Server,
    source: Source,
    slot: str,
    *,
    application_name: str = "",
    start_timeout: float = 300.0,
) -> Change:
    """Plan to make a running standby follow `new_primary` through `slot`, which is created there first.

    An empty `application_name` keeps the standby's own; other parts of its connection (certificates,
    keepalives) stay the same. A reload is enough, unless the standby's passfile has no line for the source:
    then its workload gets one, which restarts the standby. Empty if it already streams so. `start_timeout`
    in seconds. Raises ParameterError for a standby that received WAL after the fork, which must rejoin
    (`plan_rejoin_server`).
    """
    title = f"re-point {standby.name} to {new_primary.name}"
    seen = receiver(standby)
    if seen is None or not new_primary.present or new_primary.facts.in_recovery:
        return _not_yet(standby, new_primary, title)
    _assert_can_follow(standby, new_primary, seen)
    current = str(standby.settings(["primary_conninfo"])["primary_conninfo"].value)
    name = application_name or parts_of(current).get("application_name", "")
    if not name:
        raise ParameterError(
            f"{standby.name} has no application_name", remedy="Give it one: each standby needs its own."
        )
    desired = {"primary_conninfo": merged(current, source.connection(name)), "primary_slot_name": slot}
    change = _steps_changed(standby, new_primary, source, desired, name, seen, start_timeout)
    change.title = title
    change.note = f"It already follows {new_primary.name}, from {slot}." if not change else change.note
    return _without_passwords(change)


def _not_yet(standby: Server, new_primary: Server, title: str) -> Change:
    """Return the plan before a promotion, which only a plan-only run may have. Raises WrongServer."""
    if not new_primary.journal.dry_run:
        raise WrongServer(
            f"{new_primary.name} is not a primary yet, or {standby.name} does not exist",
            found=f"{new_primary.facts.role}, {standby.facts.role}",
            remedy="Promote the first and start the second before this.",
        )
    what = "create its slot on the new primary, change its connection, and see it stream"
    return Change(title, new_primary.journal, "", "", [Step(standby.name, what, lambda: "")])


def _assert_can_follow(standby: Server, new_primary: Server, seen: Receiver) -> None:
    """Raise an error unless it is a standby of this cluster without WAL that the new primary lacks."""
    ours, theirs = new_primary.refresh(), standby.refresh()
    if ours.system_identifier != theirs.system_identifier or not theirs.in_recovery:
        raise WrongServer(
            f"{standby.name} is not a standby of this database cluster",
            found=f"{theirs.role}, system identifier {theirs.system_identifier}",
            remedy="An old primary must rejoin: 09, operation = rejoin.",
        )
    parted = fork(history_of(standby), history_of(new_primary))
    has = max((lsn_bytes(lsn) for lsn in (seen.received_lsn, seen.replayed_lsn) if lsn), default=0)
    limit = parted.lsn if parted and parted.lsn is not None else None
    if parted is None or (limit is not None and has > limit):
        behind = f", {format_bytes(has - limit)} after the fork at {lsn_text(limit)}" if limit else ""
        raise ParameterError(
            f"{standby.name} has WAL that {new_primary.name} never had",
            found=f"timeline {theirs.timeline} up to {lsn_text(has)}{behind}",
            remedy="Scale it to 0 and rejoin it: 09, operation = rejoin, with its workload as primary.",
        )


def _steps_changed(
    standby: Server,
    new_primary: Server,
    source: Source,
    desired: dict[str, str],
    name: str,
    seen: Receiver,
    start_timeout: float,
) -> Change:
    """Return the change of its settings, with the steps before and after it."""
    slot = plan_slot(new_primary, desired["primary_slot_name"], consumer=name)
    change = plan_settings(standby, desired)
    workload = standby.cluster.workload(standby.pod)
    restart = not logs_in(workload, standby.pod.container, source, data_owner(standby))
    if not slot and not change and not restart and streaming(new_primary, desired["primary_slot_name"], name):
        return change
    before, changes = change.precheck, bool(change)
    steps = [*slot.steps, *change.steps]
    steps += _restart(standby, workload, source, start_timeout) if restart else []
    if not changes and not restart and seen.receiver_pid:
        steps.append(_end_receiver(standby))
    steps.append(_see(standby, new_primary, desired["primary_slot_name"], name))
    change.precheck = lambda: (
        _precheck(standby, new_primary) + (before() if before and changes else _none(standby))
    )
    change.steps = steps
    return change


def _none(standby: Server) -> Checks:
    return Checks.of("", [], standby.journal)


def _precheck(standby: Server, new_primary: Server) -> Checks:
    """Check right before acting: the new primary is one, and the standby follows the latest timeline."""
    facts, setting = new_primary.refresh(), "recovery_target_timeline"
    latest = standby.settings([setting])[setting].value
    items = [
        Check("new primary", not facts.in_recovery, facts.role, "primary", "Promote it first."),
        Check(setting, latest == "latest", latest, "latest", "Set it to latest and restart the standby."),
    ]
    return Checks.of(f"Before re-pointing {standby.name}", items, standby.journal)


def _restart(standby: Server, workload: Workload, source: Source, timeout: float) -> list[Step]:
    """Return steps that give its pod a passfile; the template may change only while no pod runs."""
    cluster, replicas = standby.cluster, workload.replicas

    def start() -> str:
        result = cluster.scale_and_wait(workload, replicas, timeout=timeout)
        standby.reopen()
        return result

    return [
        Step(
            workload.label,
            f"scale from {replicas} to 0 and see every pod gone",
            lambda: cluster.scale_and_wait(workload, 0),
            journalled=True,
        ),
        login_step(cluster, workload, standby.pod.container, source, data_owner(standby)),
        Step(workload.label, f"scale to {replicas} and wait until it is Ready", start, journalled=True),
    ]


def _end_receiver(standby: Server) -> Step:
    """End a receiver that waits for a lost primary; it would notice only after wal_receiver_timeout."""

    def run() -> str:
        standby.execute(_END_RECEIVER, what="end the receiver, so that it connects again")
        return "ended"

    return Step(standby.name, "end its receiver, so that it connects again", run, journalled=True)


def _see(standby: Server, new_primary: Server, slot: str, name: str) -> Step:
    def run() -> str:
        words = wait_streaming(new_primary, slot, name)
        newest = new_primary.facts.timeline
        wait_until(
            f"{standby.name} on timeline {newest}",
            lambda: receiver(standby),
            lambda found: found is not None and found.timeline == newest,
            timeout=60,
            every=0.2,
            describe=lambda found: f"timeline {found.timeline}" if found else "no receiver",
        )
        return f"{words}, on timeline {newest}"

    return Step(standby.name, f"see it stream from {slot} as {name}, on the new timeline", run)


def _without_passwords(change: Change) -> Change:
    """Hide a password in the previous connection, and leave out the undo that would write it."""
    if without_password(change.before) == change.before:
        return change
    return replace(
        change,
        before=without_password(change.before),
        undo=None,
        undo_text="none: the previous connection held a password, which pgnb does not write",
    )
