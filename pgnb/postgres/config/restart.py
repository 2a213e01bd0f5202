"""A planned restart of one server: a checkpoint, the pod replaced, and the same server afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from pgnb.cluster import Right
from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_duration
from pgnb.core.errors import VerificationFailed
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.postgres.config.values import Wanted
from pgnb.postgres.server import Server

PARAMETER = "allow_restart"
_LONG = 60.0
"""Seconds; for an older open transaction, its owner should be asked before it is interrupted."""


def plan_restart(server: Server, *, reason: str, timeout: float = 300.0) -> Change:
    """Return the plan that restarts the server by Kubernetes (facts 62 and 63), confirmed by `allow_restart`.

    First a CHECKPOINT, so that the shutdown is short; then the workload's rollout (or scale to 0 and back),
    in which the old pod ends before the new one starts; then a check of system identifier, timeline and role.
    `timeout` in seconds, for the new pod. Refused if the data is not on a persistent volume.
    """
    title = f"restart of {server.name}"
    if not server.present:
        return Change(title, server.journal, note="the server is not there yet")
    cluster, before = server.cluster, server.facts
    volume = cluster.volume(server.pod, before.data_directory)
    rollout = cluster.plan_restart(
        cluster.workload(server.pod),
        volume=volume,
        reason=reason,
        timeout=timeout,
        before=lambda: _checkpoint(server),
    )
    steps = [*rollout.steps, Step(server.name, "the same server again", lambda: _same_again(server))]
    why = f"A restart interrupts the service, because {reason}."
    return replace(
        rollout,
        title=title,
        steps=steps,
        undo_text="no restart is needed: it changes no setting",
        confirmations=[*rollout.confirmations, Confirmation(PARAMETER, True, why)],
        precheck=_both(rollout, server),
    )


def _both(rollout: Change, server: Server) -> Callable[[], Checks]:
    def check() -> Checks:
        checks = readiness(server)
        return checks + rollout.precheck() if rollout.precheck else checks

    return check


def _checkpoint(server: Server) -> str:
    """Run a CHECKPOINT without a time limit, because a busy server may write for minutes."""
    with server.new_session(statement_timeout=0) as session:
        session.execute("CHECKPOINT")
    return "done"


def readiness(server: Server) -> Checks:
    """Check whether a restart now would interrupt work that should finish first."""
    row = server.fetch_one("restart_readiness")
    longest = float(row["longest_transaction"])
    items = [
        Check(
            "no base backup is running",
            not row["base_backups"],
            row["base_backups"],
            0,
            "Wait until it has finished.",
        ),
        Check(
            "no long transaction",
            longest < _LONG,
            format_duration(longest),
            f"below {format_duration(_LONG)}",
            "It would be rolled back: ask its owner.",
            advice=True,
        ),
        Check.fact("clients", f"{row['clients']} sessions, {row['standbys']} standbys will reconnect"),
    ]
    return Checks.of(f"before the restart of {server.name}", items, server.journal)


def _same_again(server: Server) -> str:
    """Check in a new session that the server after the restart is the same as before."""
    before = server.facts
    server.reopen()
    after = server.refresh()
    same = (before.system_identifier, before.timeline, before.role)
    now = (after.system_identifier, after.timeline, after.role)
    if same != now:
        raise VerificationFailed(
            f"{server.name} is not the same server as before the restart",
            found=f"system identifier, timeline, role: {now}, before: {same}",
            remedy="Stop clients from writing, and check which volume the pod has mounted.",
        )
    return (
        f"{server.name}, system identifier {after.system_identifier}, up since {after.started:%H:%M:%S} UTC"
    )


def restart_rights(server: Server) -> list[Right]:
    """Return the rights that a restart of a server needs; none for one that pgnb cannot restart."""
    workload = server.cluster.workload(server.pod)
    why = f"to restart {workload.label}"
    return [Right("patch", workload.plural, "apps", why, workload.name)] if workload.scalable else []


def plan_pending_restart(
    server: Server, wanted: Mapping[str, Wanted], *, allow: bool, timeout: float = 300.0
) -> Change:
    """Return the plan of a restart, if a desired setting waits for one and it is allowed.

    Nothing to do if nothing waits, or without `allow`: then the note says which settings wait. `timeout` in
    seconds. Raises as plan_restart and plan_settings do.
    """
    title = f"restart of {server.name}"
    if not server.present:
        return Change(title, server.journal, note="the server is not there yet")
    waiting = [
        setting for setting in server.settings(wanted) if not setting.met and setting.needs == "restart"
    ]
    words = "; ".join(
        f"{s.name}: {s.display} → {s.desired_display} ({s.row['short_desc'].rstrip('.')})" for s in waiting
    )
    if not waiting:
        return Change(title, server.journal, note="No desired setting waits for a restart.")
    if not allow:
        return Change(
            title,
            server.journal,
            note=f"These need a restart, which {PARAMETER} = True allows: {words}.",
        )
    return plan_restart(server, reason=f"settings need it: {words}", timeout=timeout)
