"""Interruptions of a client's writes: each gap compared with the machine's delays and with what ran then.

A gap counts as caused by the procedure if one of its acts ran, and the client was refused or waited for
longer than the machine alone makes it wait.
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
"""Parameters that allow a run to interrupt the writes."""
_PACES = 25
"""Writes that must be missing before a gap counts, half a second at the client's pace.

A shorter gap may be a lock, or two processes that share a core: a base backup reads and verifies as fast as
it can, and meanwhile a process that holds a lock on the WAL may wait for the CPU.
"""
_FACTOR = 2
"""How many times longer than the machine's own delays a gap must be.

A commit waits for several processes and a disk, the meter for one process; and the longest delay so far is
not the longest possible one.
"""
_NEAR = timedelta(seconds=5)
"""How far from a gap the meter's delays still count."""
_AFTER = timedelta(seconds=1)
"""How long after an act its effect may come, as that of a signal."""
_NAMED = 3
"""Acts that are listed for one gap."""
_TOLD = 5
"""Gaps that are listed one by one."""


@dataclass(frozen=True)
class Ran:
    """An act from a journal: its time, its run, and whether that run was allowed to interrupt writes."""

    start: datetime
    end: datetime
    run: str
    what: str
    allowed: bool

    @classmethod
    def of(cls, act: Mapping[str, Any], run: str, *, allowed: bool) -> Ran:
        """Return the act of a journal's line."""
        start = datetime.fromisoformat(act["at"])
        return cls(start, start + timedelta(seconds=act["seconds"]), run, act["what"], allowed)

    def touches(self, gap: Gap) -> bool:
        """Return whether the gap is during the act, or begins so soon after it that it may be its effect."""
        return self.start < gap.end and gap.start < self.end + _AFTER

    def __str__(self) -> str:
        return f"{self.run}: {self.what}"


@dataclass(frozen=True)
class Interruption:
    """A gap, the seconds of it that the machine doesn't explain, and the `bound` from which they count.

    `refused`: within it the server refused the client, or the connection was lost.
    """

    gap: Gap
    rest: float
    bound: float
    refused: bool
    ran: tuple[Ran, ...]

    @property
    def real(self) -> bool:
        """Whether it is more than the machine's delays."""
        return self.refused or self.rest > self.bound

    @property
    def allowed(self) -> bool:
        """Whether a run that was allowed to interrupt writes was in progress."""
        return any(act.allowed for act in self.ran)

    @property
    def broken(self) -> bool:
        """Whether the procedure caused it without being allowed to."""
        return self.real and bool(self.ran) and not self.allowed

    @property
    def cause(self) -> str:
        """What ran then, as text."""
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
    """The interruptions of one client.

    `alone` is its longest gap, in seconds, while the procedure did not run. `longest` is the longest gap of
    all, the machine's share included; `items` are the gaps beyond the machine's, the longest first.
    """

    alone: float
    longest: Interruption | None
    items: tuple[Interruption, ...]

    @property
    def broken(self) -> tuple[Interruption, ...]:
        """Those that the procedure caused without being allowed to."""
        return tuple(item for item in self.items if item.broken)

    @property
    def named(self) -> tuple[Interruption, ...]:
        """Those to be listed: the longest gap of all, and the longest ones beyond the machine's."""
        if self.longest is None:
            return ()
        others = [item for item in self.items if item.gap != self.longest.gap]
        return (self.longest, *others[: _TOLD - 1])

    @property
    def check(self) -> Check:
        """Whether the procedure interrupted the client's writes only where it was allowed to."""
        found = "; ".join(str(item) for item in self.broken) or "none"
        return Check(
            "gaps caused by the procedure without permission",
            not self.broken,
            found,
            "none",
            "See that run's journal for what locked the rows or stopped the server.",
        )


def interruptions(write_log: WriteLog, ran: Sequence[Ran]) -> Interruptions:
    """Compare each gap in a client's writes with the machine's delays and with what ran at that time."""
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
    """Return the longest gap in which nothing ran and the client was not refused; gaps are sorted."""
    seen = (_seen(write_log, gap, ran, 0.0) for gap in gaps)
    return next((one.rest for one in seen if not one.ran and not one.refused), 0.0)


def _seen(write_log: WriteLog, gap: Gap, ran: Sequence[Ran], bound: float) -> Interruption:
    acts = tuple(act for act in ran if act.touches(gap))
    refused = bisect_right(write_log.refused, gap.end) > bisect_left(write_log.refused, gap.start)
    return Interruption(gap, gap.seconds - write_log.meter.share(gap), bound, refused, acts)
