"""What held a client's writes up: each gap held against the machine, and against what ran at that time.

A gap was made by the procedure where one of its acts ran, and where the client was refused or waited for
longer than this machine makes it wait by itself.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pgnb.core.checks import Check
from pgnb.core.display import format_duration
from pgnb.observe.meter import Gap
from pgnb.observe.write_log import WriteLog
from pgnb.runbook import verdict
from pgnb.runbook.records import Archive

PERMISSIONS = ("allow_restart", "allow_promotion", "allow_cutover")
"""Parameters by which a run may interrupt the writes."""
_PACES = 25
"""Writes that must have been left out before a gap counts, half a second at the client's pace.

Below that nobody can tell a lock from two processes that share a core: a base backup reads and verifies as
fast as it can, and while it does, a process that holds a lock on the WAL may wait for its turn.
"""
_FACTOR = 2
"""How many times longer than what the machine does by itself a gap must be.

A commit waits for several processes and a disk in turn, the meter for one process; and the longest gap so far
is not the longest that there can be.
"""
_NEAR = timedelta(seconds=5)
"""How far from a gap the meter still tells of the same load."""
_AFTER = timedelta(seconds=1)
"""How long after an act its effect may come, as that of a signal."""
_NAMED = 3
"""Acts that are named for one gap."""
_TOLD = 5
"""Gaps that are told one by one."""


@dataclass(frozen=True)
class Ran:
    """An act from a journal: from when to when, in which run, and whether that run might interrupt writes."""

    start: datetime
    end: datetime
    run: str
    what: str
    allowed: bool

    @classmethod
    def of(cls, act: Mapping[str, Any], run: str, *, allowed: bool) -> Ran:
        """Return an act as a journal's line has it."""
        start = datetime.fromisoformat(act["at"])
        return cls(start, start + timedelta(seconds=act["seconds"]), run, act["what"], allowed)

    def touches(self, gap: Gap) -> bool:
        """Return whether the gap lies in the act, or begins so shortly after it that it may be its effect."""
        return self.start < gap.end and gap.start < self.end + _AFTER

    def __str__(self) -> str:
        return f"{self.run}: {self.what}"


@dataclass(frozen=True)
class Interruption:
    """A gap, the seconds of it that the machine doesn't explain, and the `bound` from which they count.

    `refused`: within it the server refused the client, or was lost to it.
    """

    gap: Gap
    rest: float
    bound: float
    refused: bool
    ran: tuple[Ran, ...]

    @property
    def real(self) -> bool:
        """Whether it is more than what the machine does."""
        return self.refused or self.rest > self.bound

    @property
    def allowed(self) -> bool:
        """Whether a run that might interrupt the writes was at work."""
        return any(act.allowed for act in self.ran)

    @property
    def broken(self) -> bool:
        """Whether the procedure made it where it might not."""
        return self.real and bool(self.ran) and not self.allowed

    @property
    def cause(self) -> str:
        """What ran then, in words."""
        if not self.ran:
            return "nothing of the procedure ran"
        more = f" and {len(self.ran) - _NAMED} more" if len(self.ran) > _NAMED else ""
        return "; ".join(str(act) for act in self.ran[:_NAMED]) + more

    def __str__(self) -> str:
        how = ", the client was refused" if self.refused else ""
        return f"{format_duration(self.gap.seconds)} at {self.gap.start:%H:%M:%S} UTC{how} ({self.cause})"


def acts_of(archive: Archive) -> list[Ran]:
    """Return every act in an archive's journals."""
    return [
        Ran.of(act, record.notebook, allowed=any(record.parameters.get(name) is True for name in PERMISSIONS))
        for record in archive.all()
        for act in verdict.read(archive.path(record) / "journal.jsonl").acts
    ]


@dataclass(frozen=True)
class Interruptions:
    """What held one client up. `alone` is its longest gap, in seconds, while nothing of the procedure ran.

    `longest` is the longest gap of all, the machine's share included; `items` are the gaps that are more than
    the machine's, the longest first.
    """

    alone: float
    longest: Interruption | None
    items: tuple[Interruption, ...]

    @property
    def broken(self) -> tuple[Interruption, ...]:
        """Those that the procedure made where it might not."""
        return tuple(item for item in self.items if item.broken)

    @property
    def named(self) -> tuple[Interruption, ...]:
        """Those to be told one by one: the longest gap of all, and the longest that are not the machine's."""
        if self.longest is None:
            return ()
        others = [item for item in self.items if item.gap != self.longest.gap]
        return (self.longest, *others[: _TOLD - 1])

    @property
    def check(self) -> Check:
        """Whether the procedure interrupted the client's writes only where it might."""
        found = "; ".join(str(item) for item in self.broken) or "none"
        return Check(
            "gaps that the procedure made where it might not",
            not self.broken,
            found,
            "none",
            "See in that run's journal what held the rows or the server.",
        )


def interruptions(write_log: WriteLog, ran: Sequence[Ran]) -> Interruptions:
    """Hold each gap in a client's writes against the machine and against what ran at that time."""
    gaps = sorted(write_log.gaps, key=lambda gap: write_log.meter.share(gap) - gap.seconds)
    alone = _longest_alone(write_log, gaps, ran)
    least = _PACES * (write_log.usual or 0.0)
    items = []
    for gap in gaps:
        bound = max(least, _FACTOR * max(alone, write_log.meter.late_near(gap, _NEAR)))
        item = _seen(write_log, gap, ran, bound)
        if item.real:
            items.append(item)
    longest = write_log.longest
    return Interruptions(alone, _seen(write_log, longest, ran, least) if longest else None, tuple(items))


def _longest_alone(write_log: WriteLog, gaps: Sequence[Gap], ran: Sequence[Ran]) -> float:
    """Return the first gap, of which the longest come first, in which nothing ran and the client wasn't refused."""
    seen = (_seen(write_log, gap, ran, 0.0) for gap in gaps)
    return next((one.rest for one in seen if not one.ran and not one.refused), 0.0)


def _seen(write_log: WriteLog, gap: Gap, ran: Sequence[Ran], bound: float) -> Interruption:
    acts = tuple(act for act in ran if act.touches(gap))
    refused = bisect_right(write_log.refused, gap.end) > bisect_left(write_log.refused, gap.start)
    return Interruption(gap, gap.seconds - write_log.meter.share(gap), bound, refused, acts)
