"""Promotion: refused while the old primary could still accept writes; asked for, and seen to happen."""

from __future__ import annotations

from pgnb.core.checks import Checks, gate
from pgnb.core.errors import DeadlineExceeded, VerificationFailed
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.core.wait import wait_until
from pgnb.physical.failover.fence import fenced
from pgnb.physical.failover.inprogress import mark_phase
from pgnb.physical.failover.loss import Loss
from pgnb.physical.failover.participants import RoleChange, foremost
from pgnb.physical.failover.weak import weak_fence
from pgnb.postgres import Server
from pgnb.postgres.progress import marker

PARAMETER = "allow_promotion"
_PATIENCE = 60.0
"""Seconds within which the promotion has to be over."""


def plan_promotion(role_change: RoleChange, loss: Loss) -> Change:
    """Promote the candidate, behind `allow_promotion` and, where something may be lost, `accept_loss`; a weak
    fence asks for `accept_weak_fence`.

    Right before, it is read that the old primary is scaled to 0, that none of its pods is left, and that
    nobody else has its volume; otherwise nothing is promoted. Empty where another path was chosen.
    """
    title, journal, candidate = (
        f"Promote {role_change.candidate.name}",
        role_change.cluster.journal,
        role_change.candidate,
    )
    if role_change.operation != "failover":
        return Change(title, journal, note=f"The operation is {role_change.operation}.")
    if not candidate.present or role_change.done:
        note = "It is a primary already." if candidate.present else "The standby is not there yet."
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
        undo_text="none: the old primary can only follow (operation = rejoin)",
        confirmations=[*_confirmations(loss), *weak_fence(role_change)],
        precheck=lambda: fenced(role_change) + _fit(role_change, loss),
    )


def _confirmations(loss: Loss) -> list[Confirmation]:
    asked = [Confirmation(PARAMETER, True, "A promotion can't be taken back.")]
    if not loss.none:
        asked.append(Confirmation("accept_loss", True, f"Rows may be lost: {loss.summary}."))
    return asked


def _fit(role_change: RoleChange, loss: Loss) -> Checks:
    """The candidate is the foremost of the standbys, and nothing of it stands in the way."""
    return Checks.of("The candidate", [foremost(role_change), *loss.checks], role_change.cluster.journal)


def _promote(role_change: RoleChange) -> str:
    with role_change.phase("promote"):
        return promote(role_change)


def promote(role_change: RoleChange) -> str:
    """Promote the candidate: pg_promote, the end of recovery, the new timeline, and a first write.

    Before, the workload of the old primary is marked: whoever would put it back meets a conflict then. Raises
    Conflict when somebody else was faster, GateClosed when the fence does not hold, VerificationFailed.
    """
    candidate = role_change.candidate
    mark_phase(role_change, "promote")
    gate(fenced(role_change))
    candidate.execute("SELECT pg_catalog.pg_promote(false)", what="SELECT pg_promote(false)")
    _wait_promoted(candidate)
    facts, lsn = candidate.refresh(), marker(candidate)
    candidate.close_sessions()  # What a session read as a standby's would not be a primary's.
    return f"a primary on timeline {facts.timeline}, first write at {lsn}"


def _wait_promoted(candidate: Server) -> None:
    """pg_promote's own wait looks ten times a second only; clients wait meanwhile."""
    try:
        wait_until(
            f"{candidate.name} to leave recovery",
            lambda: candidate.scalar("SELECT pg_catalog.pg_is_in_recovery()"),
            lambda in_recovery: in_recovery is False,
            timeout=_PATIENCE,
            every=0.005,
            describe=lambda _: "in recovery",
        )
    except DeadlineExceeded as error:
        raise VerificationFailed(
            f"{candidate.name} is not promoted",
            found=error.message,
            remedy="Look at its log: it may still replay. The old primary stays fenced; run this again.",
        ) from error
