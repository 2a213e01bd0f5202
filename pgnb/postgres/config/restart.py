"""A planned restart of one server: checkpointed first, its pod replaced, the same server afterwards."""

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
"""Seconds; an open transaction that is older is worth asking about before it is cut off."""


def plan_restart(server: Server, *, reason: str, timeout: float = 300.0) -> Change:
    """The plan that restarts the server as Kubernetes does it (facts 62 and 63), behind `allow_restart`.

    A CHECKPOINT first, so that the shutdown is short; the workload's rollout (or scale to 0 and back), in
    which the old pod ends before the new one starts; then the same system identifier, timeline and role.
    `timeout` in seconds, for the new pod. Refuses where the data is not on a persistent volume.
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
        undo_text="none is needed: a restart changes no setting",
        confirmations=[*rollout.confirmations, Confirmation(PARAMETER, True, why)],
        precheck=_both(rollout, server),
    )


def _both(rollout: Change, server: Server) -> Callable[[], Checks]:
    def check() -> Checks:
        checks = readiness(server)
        return checks + rollout.precheck() if rollout.precheck else checks

    return check


def _checkpoint(server: Server) -> str:
    """Without a limit: a busy server may write for minutes."""
    with server.new_session(statement_timeout=0) as session:
        session.execute("CHECKPOINT")
    return "done"


def readiness(server: Server) -> Checks:
    """Whether a restart now would cut something short that is better let finish."""
    row = server.fetch_one("restart_readiness")
    longest = float(row["longest_transaction"])
    items = [
        Check("no base backup runs", not row["base_backups"], row["base_backups"], 0, "Let it finish first."),
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
    """After the restart: a new session, and the server that it was."""
    before = server.facts
    server.reopen()
    after = server.refresh()
    same = (before.system_identifier, before.timeline, before.role)
    now = (after.system_identifier, after.timeline, after.role)
    if same != now:
        raise VerificationFailed(
            f"{server.name} is not the server that was restarted",
            found=f"system identifier, timeline, role: {now}, before: {same}",
            remedy="Stop clients from writing and look at the volume that the pod has mounted.",
        )
    return (
        f"{server.name}, system identifier {after.system_identifier}, up since {after.started:%H:%M:%S} UTC"
    )


def restart_rights(server: Server) -> list[Right]:
    """What the restart of a server takes; none for one that pgnb cannot restart."""
    workload = server.cluster.workload(server.pod)
    why = f"to restart {workload.label}"
    return [Right("patch", workload.plural, "apps", why, workload.name)] if workload.scalable else []


def plan_pending_restart(
    server: Server, wanted: Mapping[str, Wanted], *, allow: bool, timeout: float = 300.0
) -> Change:
    """The plan of a restart that is made only where a wished setting waits for one, and where it is allowed.

    Nothing to do when nothing waits, or without `allow`: then the note says what waits and what it is for.
    `timeout` in seconds. Raises as plan_restart and plan_settings do.
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
        return Change(title, server.journal, note="No wished setting waits for a restart.")
    if not allow:
        return Change(
            title,
            server.journal,
            note=f"Waits for a restart, which {PARAMETER} = True allows: {words}.",
        )
    return plan_restart(server, reason=f"settings wait for it: {words}", timeout=timeout)
