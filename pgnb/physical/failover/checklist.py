"""After the roles have changed: one primary, on a new timeline, which everybody and everything leads to."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.checks import Check, Checks
from pgnb.physical.failover.quiet import read_only_by_default
from pgnb.physical.failover.succession import Succession
from pgnb.physical.slots import slots
from pgnb.physical.status import senders
from pgnb.postgres import Server
from pgnb.postgres.services import own_labels, read_service, selector_words


def succession_checks(pair: Succession) -> Checks:
    """The checklist after a promotion, carried out; on the path failover the old primary stays fenced."""
    title = "After the change of roles"
    if not pair.candidate.present or not pair.done:
        found = pair.candidate.facts.role
        check = Check("the candidate is a primary", False, found, "primary", "Carry out the path first.")
        return Checks.of(title, [check], pair.cluster.journal)
    items = [*_primary(pair), *_old(pair), *_followers(pair)]
    return Checks.of(title, items, pair.cluster.journal)


def _primary(pair: Succession) -> Iterator[Check]:
    facts, candidate = pair.candidate.facts, pair.candidate
    yield Check("the candidate is a primary", not facts.in_recovery, facts.role, "primary")
    before = pair.remains.timeline if pair.remains else 0
    yield Check("on a new timeline", facts.timeline > before, facts.timeline, f"above {before or 'the old'}")
    read_only = read_only_by_default(candidate)
    yield Check("it accepts writes", read_only == "off", read_only, "off", "Reset it, and reload.")
    selector, wished = read_service(pair)["spec"]["selector"], own_labels(candidate)
    yield Check(
        f"the Service {pair.service} leads to it",
        selector == wished,
        selector_words(selector),
        selector_words(wished),
        "Clients still go elsewhere: see the section above.",
    )


def _old(pair: Succession) -> Iterator[Check]:
    pods, replicas = pair.old.pods(), pair.old.again().replicas
    if pair.path == "failover" and not pods:
        yield Check(
            "the old primary is fenced",
            replicas == 0,
            f"{replicas} replicas",
            0,
            "It would come back as a second primary.",
        )
        return
    server, why = pair.old.server()
    role = server.facts.role if server else why
    yield Check(
        "the old primary is a standby",
        role == "standby",
        role,
        "standby",
        "It must never accept writes: fence it, then path = rejoin.",
    )
    if server is not None and server.facts.in_recovery:
        yield _follows(pair, server)


def _followers(pair: Succession) -> Iterator[Check]:
    for one in pair.others:
        yield _follows(pair, one)
    idle = [slot.name for slot in slots(pair.candidate) if not slot.active]
    yield Check(
        "no slot without a reader",
        not idle,
        ", ".join(idle) or "none",
        "none",
        "It retains WAL: wait for its standby, or drop it (07).",
        advice=True,
    )


def _follows(pair: Succession, standby: Server) -> Check:
    """Streaming from the new primary, on its timeline, through a slot."""
    ip, timeline = standby.pod.ip, standby.refresh().timeline
    mine = [s for s in senders(pair.candidate) if s.address == ip and s.streaming]
    slot = mine[0].slot if mine else None
    ok = bool(mine) and bool(slot) and timeline == pair.candidate.facts.timeline
    stream = f"streams through {slot or 'no slot'}" if mine else "does not stream"
    return Check(
        f"{standby.name} follows",
        ok,
        f"timeline {timeline}, {stream}",
        f"timeline {pair.candidate.facts.timeline}, streams through a slot",
        "Re-point it, or rejoin it (path = rejoin with its workload as primary).",
    )
