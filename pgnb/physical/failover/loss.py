"""Estimate what a promotion would lose, from the old primary's WAL, or from the candidate's newest commit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Displayable, Table, format_bytes, format_duration, key_value_table
from pgnb.core.journal import Journal
from pgnb.physical.failover.participants import RoleChange
from pgnb.physical.failover.volume import read_volume
from pgnb.physical.status import Receiver, receiver


@dataclass(frozen=True, repr=False)
class Loss(Displayable):
    """The estimated loss.

    `commits` and `bytes` are upper bounds from the old primary's WAL, None if it can't be read. Then only
    `seconds` is known: the age of `last_commit`, the candidate's newest commit, at the time `asked`.
    """

    candidate: str
    basis: str
    commits: int | None
    bytes: int | None
    last_commit: datetime | None
    asked: datetime | None
    received: str | None
    replayed: str | None
    paused: bool
    streaming: bool
    applies: bool = True
    journal: Journal = field(default_factory=Journal, repr=False, compare=False)

    @property
    def none(self) -> bool:
        """Whether it is known that nothing is lost."""
        return not self.applies or (self.commits == 0 and self.bytes == 0)

    @property
    def seconds(self) -> float | None:
        """Seconds between the candidate's newest commit and the time of the estimate."""
        if self.last_commit is None or self.asked is None:
            return None
        return (self.asked - self.last_commit).total_seconds()

    @property
    def summary(self) -> str:
        """The estimate in one sentence."""
        if self.none:
            return "nothing is lost" if self.applies else self.basis
        if self.commits is not None:
            return f"at most {self.commits:,} commits ({format_bytes(self.bytes)} of WAL)"
        return f"unknown: every acknowledged commit after {self.last_commit or 'the beginning'}"

    @property
    def checks(self) -> Checks:
        """Conditions before the promotion, and the estimate as advice."""
        if not self.applies:
            return Checks.of("Loss estimate", [Check.fact("loss", self.basis)], self.journal)
        items = [
            Check(
                "the receiver is down",
                not self.streaming,
                "streaming" if self.streaming else "down",
                "down",
                "WAL still arrives, so the old primary runs. Fence it.",
            ),
            Check(
                "replay is not paused",
                not self.paused,
                "paused" if self.paused else "not paused",
                "not paused",
                "Run SELECT pg_wal_replay_resume() on the candidate.",
            ),
            Check(
                "all received WAL is replayed",
                self.received == self.replayed,
                f"received {self.received}, replayed {self.replayed}",
                "equal",
                "Promotion replays the rest. The last record may be incomplete.",
                advice=True,
            ),
            Check(
                "loss",
                self.none,
                self.summary,
                "nothing is lost",
                "Set accept_loss = True to promote anyway. The old volume keeps the lost rows.",
                advice=True,
            ),
        ]
        return Checks.of("Loss estimate", items, self.journal)

    @property
    def table(self) -> Table:
        """One line for each fact."""
        facts = {
            "estimate": Cell(self.summary, "good" if self.none else "bad"),
            "basis": self.basis,
            f"received by {self.candidate}": self.received,
            "replayed": self.replayed,
            "its newest commit": self.last_commit,
            "age of that commit": format_duration(self.seconds),
        }
        return key_value_table("Loss estimate", facts if self.applies else {"estimate": self.basis})


def estimate_loss(role_change: RoleChange) -> Loss:
    """Estimate the loss of a promotion now; the estimate goes into the record.

    The fenced volume holds the WAL after the candidate's replay position. Its commits are an upper bound,
    since a commit may not have been acknowledged. If the volume can't be read, only the age of the
    candidate's newest commit is known.
    """
    candidate, journal = role_change.candidate, role_change.cluster.journal
    seen = receiver(candidate)
    if role_change.operation != "failover" or seen is None or not seen.in_recovery:
        basis = (
            "the candidate is already a primary"
            if role_change.done
            else f"the operation is {role_change.operation}"
        )
        return Loss(candidate.name, basis, None, None, None, None, None, None, False, False, False, journal)
    shutdown_state = read_volume(role_change)
    asked = candidate.scalar("SELECT pg_catalog.clock_timestamp()")
    commits, size, basis = _bounds(role_change, seen)
    found = Loss(
        candidate.name,
        basis,
        commits,
        size,
        seen.last_commit_replayed,
        asked,
        seen.received_lsn,
        seen.replayed_lsn,
        seen.paused,
        seen.streaming,
        journal=journal,
    )
    progress = role_change.progress
    progress.writes_stopped_at, progress.lost_commits = seen.last_commit_replayed, commits
    journal.facts(
        loss_estimate=found.summary,
        loss_commits=commits,
        loss_basis=basis,
        old_primary=shutdown_state.state if shutdown_state else "",
    )
    return found


def _bounds(role_change: RoleChange, seen: Receiver) -> tuple[int | None, int | None, str]:
    shutdown_state = role_change.progress.shutdown_state
    if shutdown_state is None:
        why = role_change.progress.unreadable or role_change.old.volume
        return None, None, f"the candidate's newest commit, since the old volume can't be read ({why})"
    if shutdown_state.covered_by(seen.replayed_lsn):
        return 0, 0, f"clean shutdown, and its checkpoint {shutdown_state.checkpoint} was replayed"
    if shutdown_state.commits is None:
        why = f"the old volume has no WAL from {shutdown_state.start} on"
        return None, None, f"the candidate's newest commit, since {why}"
    basis = f"the WAL on {role_change.old.volume}, read to its end ({shutdown_state.end})"
    return shutdown_state.commits, shutdown_state.beyond, basis
