"""Promote the candidate, unless the old primary could still accept writes."""

from __future__ import annotations

from pgnb.core.checks import Checks, gate
from pgnb.core.errors import DeadlineExceeded, VerificationFailed
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.core.wait import wait_until
from pgnb.physical.failover.fence import fenced
from pgnb.physical.failover.inprogress import mark_phase
from pgnb.physical.failover.loss import Loss
from pgnb.physical.failover.participants import RoleChange, most_wal_check
from pgnb.physical.failover.weak import weak_fence
from pgnb.postgres import Server
from pgnb.postgres.progress import marker

PARAMETER = "allow_promotion"
_RECOVERY_LIMIT = 60.0
"""Seconds within which the candidate must leave recovery."""


def plan_promotion(role_change: RoleChange, loss: Loss) -> Change:
    """Plan the promotion, behind `allow_promotion`.

    A loss also needs `accept_loss`, a weak fence `accept_weak_fence`.

    Right before the promotion, the fence is checked again: scaled to 0, no pod left, no other pod on its
    volume. Otherwise nothing is promoted. Empty for another operation.
    """
    title, journal, candidate = (
        f"Promote {role_change.candidate.name}",
        role_change.cluster.journal,
        role_change.candidate,
    )
    if role_change.operation != "failover":
        return Change(title, journal, note=f"The operation is {role_change.operation}.")
    if not candidate.present or role_change.done:
        note = "It is already a primary." if candidate.present else "The standby does not exist yet."
        return Change(title, journal, note=note)
    before = candidate.facts.timeline
    return Change(
        title,
        journal,
        f"{candidate.name}: standby, timeline {before}\n",
        f"{candidate.name}: primary, timeline {before + 1} or higher\n",
        [
            Step(
                candidate.name,
                "pg_promote, end of recovery, a first write",
                lambda: _promote(role_change),
                True,
            )
        ],
        note=f"Loss: {loss.summary}.",
        undo_text="none: the old primary can only rejoin as a standby (operation = rejoin)",
        confirmations=[*_confirmations(loss), *weak_fence(role_change)],
        precheck=lambda: fenced(role_change) + _fit(role_change, loss),
    )


def _confirmations(loss: Loss) -> list[Confirmation]:
    asked = [Confirmation(PARAMETER, True, "A promotion can't be undone.")]
    if not loss.none:
        asked.append(Confirmation("accept_loss", True, f"Rows may be lost: {loss.summary}."))
    return asked


def _fit(role_change: RoleChange, loss: Loss) -> Checks:
    """Check that no standby has more WAL than the candidate, and that it can be promoted."""
    return Checks.of(
        "The candidate", [most_wal_check(role_change), *loss.checks], role_change.cluster.journal
    )


def _promote(role_change: RoleChange) -> str:
    with role_change.phase("promote"):
        return promote(role_change)


def promote(role_change: RoleChange) -> str:
    """Promote the candidate, wait for the end of recovery, and write a first record.

    First the workload of the old primary is marked, so that another run's change of it fails with a
    conflict. Raises Conflict if somebody else changed it first, GateClosed if the fence does not hold,
    VerificationFailed.
    """
    candidate = role_change.candidate
    mark_phase(role_change, "promote")
    gate(fenced(role_change))
    candidate.execute("SELECT pg_catalog.pg_promote(false)", what="SELECT pg_promote(false)")
    _wait_promoted(candidate)
    facts, lsn = candidate.refresh(), marker(candidate)
    candidate.close_sessions()  # What they read on a standby no longer holds on a primary.
    return f"a primary on timeline {facts.timeline}, first write at {lsn}"


def _wait_promoted(candidate: Server) -> None:
    """Wait for the end of recovery; pg_promote's own wait polls only ten times a second."""
    try:
        wait_until(
            f"{candidate.name} to leave recovery",
            lambda: candidate.scalar("SELECT pg_catalog.pg_is_in_recovery()"),
            lambda in_recovery: in_recovery is False,
            timeout=_RECOVERY_LIMIT,
            every=0.005,
            describe=lambda _: "in recovery",
        )
    except DeadlineExceeded as error:
        raise VerificationFailed(
            f"{candidate.name} was not promoted in time",
            found=error.message,
            remedy="Read its log: it may still replay WAL. The old primary stays fenced. Run this again.",
        ) from error
