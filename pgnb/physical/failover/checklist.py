"""Checks after a change of roles: one primary, on a new timeline, followed by every other server."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.checks import Check, Checks
from pgnb.physical.failover.participants import RoleChange
from pgnb.physical.failover.write_block import read_only_by_default
from pgnb.physical.slots import slots
from pgnb.physical.status import senders
from pgnb.postgres import Server
from pgnb.postgres.services import own_labels, read_service, selector_words


def failover_checks(role_change: RoleChange) -> Checks:
    """Check servers and Service after a promotion; after a failover the old primary must be fenced."""
    title = "After the change of roles"
    if not role_change.candidate.present or not role_change.done:
        found = role_change.candidate.facts.role
        check = Check("the candidate is a primary", False, found, "primary", "Carry out the operation first.")
        return Checks.of(title, [check], role_change.cluster.journal)
    items = [*_primary(role_change), *_old(role_change), *_followers(role_change)]
    return Checks.of(title, items, role_change.cluster.journal)


def _primary(role_change: RoleChange) -> Iterator[Check]:
    facts, candidate = role_change.candidate.facts, role_change.candidate
    yield Check("the candidate is a primary", not facts.in_recovery, facts.role, "primary")
    before = role_change.progress.shutdown_state.timeline if role_change.progress.shutdown_state else 0
    yield Check("on a new timeline", facts.timeline > before, facts.timeline, f"above {before or 'the old'}")
    read_only = read_only_by_default(candidate)
    yield Check("it accepts writes", read_only == "off", read_only, "off", "Reset it, and reload.")
    selector, desired = read_service(role_change)["spec"]["selector"], own_labels(candidate)
    yield Check(
        f"the Service {role_change.service} leads to it",
        selector == desired,
        selector_words(selector),
        selector_words(desired),
        "Clients are still led elsewhere: see Clients' Service in 09.",
    )


def _old(role_change: RoleChange) -> Iterator[Check]:
    pods, replicas = role_change.old.pods(), role_change.old.reload().replicas
    if role_change.operation == "failover" and not pods:
        yield Check(
            "the old primary is fenced",
            replicas == 0,
            f"{replicas} replicas",
            0,
            "It could start as a second primary: fence it.",
        )
        return
    server, why = role_change.old.server()
    role = server.facts.role if server else why
    yield Check(
        "the old primary is a standby",
        role == "standby",
        role,
        "standby",
        "It must not accept writes: fence it, then set operation = rejoin.",
    )
    if server is not None and server.facts.in_recovery:
        yield _follows(role_change, server)


def _followers(role_change: RoleChange) -> Iterator[Check]:
    for one in role_change.others:
        yield _follows(role_change, one)
    idle = [slot.name for slot in slots(role_change.candidate) if not slot.active]
    yield Check(
        "no slot without a consumer",
        not idle,
        ", ".join(idle) or "none",
        "none",
        "It keeps WAL: wait for its standby, or drop it (07).",
        advice=True,
    )


def _follows(role_change: RoleChange, standby: Server) -> Check:
    """Check that a standby streams from the new primary, on its timeline, through a slot."""
    ip, timeline = standby.pod.ip, standby.refresh().timeline
    mine = [s for s in senders(role_change.candidate) if s.address == ip and s.streaming]
    slot = mine[0].slot if mine else None
    ok = bool(mine) and bool(slot) and timeline == role_change.candidate.facts.timeline
    stream = f"streams through {slot or 'no slot'}" if mine else "does not stream"
    return Check(
        f"{standby.name} follows",
        ok,
        f"timeline {timeline}, {stream}",
        f"timeline {role_change.candidate.facts.timeline}, streams through a slot",
        "Re-point it, or rejoin it: operation = rejoin with its workload as primary.",
    )
