"""Measure delays of the machine by an idle process beside a client, to explain the client's gaps.

The meter (scripts/meter.sh) runs in the client's container. It sleeps 20 ms again and again and prints into
the same log by how much it overslept; so its times and the client's are of one clock. No client is faster
than an idle process beside it: a delay of both at the same time was the machine's.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from pgnb.cluster import LogLine
from pgnb.core.display import format_duration

_LINE = re.compile(r"meter: (?:overslept (?P<ms>\d+) ms|sleeps (?P<sleeps>\d+))\Z")


@dataclass(frozen=True)
class Gap:
    """A time from `start` to `end` without an acknowledged commit, or without the end of a sleep."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True)
class Meter:
    """When an idle process overslept, in order of time; `ran`: whether there was one."""

    overslept: Sequence[Gap] = ()
    ran: bool = False

    @classmethod
    def of(cls, lines: Iterable[LogLine], since: datetime | None = None) -> Meter:
        """Return the meter of a log with time stamps; a sleep's line comes at its end."""
        told = [
            (line.at, match["ms"])
            for line in lines
            if line.at and (since is None or line.at >= since) and (match := _LINE.match(line.text))
        ]
        seen = sorted((at - timedelta(milliseconds=int(ms)), at) for at, ms in told if ms)
        return cls(tuple(Gap(start, end) for start, end in _united(seen)), bool(told))

    @property
    def longest(self) -> Gap | None:
        """The sleep with the largest delay."""
        return max(self.overslept, key=lambda gap: gap.seconds, default=None)

    def share(self, gap: Gap) -> float:
        """Return how many seconds of a gap the meter overslept as well."""
        low, high = bisect_right(self._ends, gap.start), bisect_left(self._starts, gap.end)
        both = (min(one.end, gap.end) - max(one.start, gap.start) for one in self.overslept[low:high])
        return sum((time.total_seconds() for time in both), 0.0)

    def late_near(self, gap: Gap, around: timedelta) -> float:
        """Return the largest delay of the meter, in seconds, in a gap or shortly before or after it."""
        low = bisect_right(self._ends, gap.start - around)
        high = bisect_left(self._starts, gap.end + around)
        return max((one.seconds for one in self.overslept[low:high]), default=0.0)

    def explain(self, gap: Gap) -> str:
        """Return a gap's length, and how much of it was the machine's, as text."""
        length = format_duration(gap.seconds)
        if not self.ran:
            return f"{length} (the machine's share was not measured)"
        share = self.share(gap)
        return f"{length} ({format_duration(share)} of it the machine's)" if share else length

    @cached_property
    def _starts(self) -> list[datetime]:
        return [gap.start for gap in self.overslept]

    @cached_property
    def _ends(self) -> list[datetime]:
        return [gap.end for gap in self.overslept]


def is_meters(text: str) -> bool:
    """Return whether a line of a client's log is from its meter."""
    return text.startswith("meter: ")


def _united(times: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Merge overlapping times, as of two pods; they must be ordered by their starts."""
    united: list[tuple[datetime, datetime]] = []
    for start, end in times:
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united
