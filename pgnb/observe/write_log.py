"""The log of a writing client: acknowledged commits, and the gaps between them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import pairwise

from pgnb.cluster import LogLine
from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Displayable, Table, format_duration, key_value_table
from pgnb.core.journal import Journal
from pgnb.observe.lag import percentile
from pgnb.observe.meter import Gap, Meter, is_meters

_ID = re.compile(r"\d+\Z")
_DUPLICATE = "duplicate key value violates unique constraint"
_SHOWN = 5
_STILL_WRITING = 2.0
"""Seconds without an acknowledged row, at the end, after which the client counts as stopped."""


@dataclass(frozen=True, repr=False)
class WriteLog(Displayable):
    """What the client printed between `since` (or its beginning) and `asked`.

    `ids` and `times` belong together, in order of time; times are the node's time stamps of the lines.
    `summary` are the last lines that are not ids: psql's messages. `duplicates` is how often a key of the
    server's sequence already existed, as after a sequence that was not advanced. `refused` are the times at
    which the server refused the client or the connection was lost. `meter` measures the machine by an idle
    process beside the client.
    """

    name: str
    ids: Sequence[int]
    times: Sequence[datetime]
    asked: datetime
    summary: Sequence[str] = ()
    duplicates: int = 0
    refused: Sequence[datetime] = ()
    meter: Meter = field(default_factory=Meter)

    @property
    def acknowledged(self) -> int:
        """Number of acknowledged commits."""
        return len(self.ids)

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:
        """The times between one acknowledged commit and the next, and the one that still lasts."""
        between = [Gap(start, end) for start, end in pairwise(self.times)]
        waiting = [Gap(self.times[-1], self.asked)] if self.times and self._stands_still else []
        return (*between, *waiting)

    @property
    def _stands_still(self) -> bool:
        return (self.asked - self.times[-1]).total_seconds() > _STILL_WRITING

    @property
    def longest(self) -> Gap | None:
        """The longest gap; None with fewer than two commits."""
        return max(self.gaps, key=lambda gap: gap.seconds, default=None)

    @property
    def usual(self) -> float | None:
        """The median gap, in seconds: the pace of the client."""
        return percentile([gap.seconds for gap in self.gaps], 0.5) if self.gaps else None

    @property
    def finding(self) -> str:
        """What happened to the client, in one sentence."""
        if self.longest is None:
            return f"{self.name}: acknowledged rows: {self.acknowledged}, too few to measure gaps"
        where = f"at {self.longest.start:%H:%M:%S} UTC"
        stands = self._stands_still and self.longest.end == self.asked
        when = f"since {self.longest.start:%H:%M:%S} UTC, still" if stands else where
        told = f"{self.acknowledged:,} rows acknowledged"
        length = self.meter.explain(self.longest)
        return f"{told}; the longest gap in writing was {length}, {when}"

    @property
    def table(self) -> Table:
        """The numbers, and the longest gaps with their times."""
        facts: dict[str, object] = {"rows acknowledged": self.acknowledged}
        if self.times:
            facts["from"], facts["to"] = self.times[0], self.times[-1]
            facts["usual gap"] = format_duration(self.usual)
        if self.duplicates:
            facts["duplicate keys"] = Cell(f"{self.duplicates:,}", "bad")
        for gap in sorted(self.gaps, key=lambda gap: -gap.seconds)[:_SHOWN]:
            facts[f"gap at {gap.start:%H:%M:%S.%f}"[:-3] + " UTC"] = self.meter.explain(gap)
        facts["the machine"] = self.machine
        return key_value_table(f"Client {self.name}", facts, note="\n".join(self.summary))

    @property
    def machine(self) -> str:
        """The machine's delays, as text."""
        late = self.meter.longest
        if not self.meter.ran:
            return "not measured: no idle process beside the client"
        if late is None:
            return "an idle process beside the client was never late by 20 ms or more"
        times = f"{len(self.meter.overslept):,} times, by {format_duration(late.seconds)} at most"
        return f"an idle process beside the client was late {times}"

    @property
    def kept_on(self) -> Check:
        """Whether rows were acknowledged, also at the end."""
        still = f", none since {self.times[-1]:%H:%M:%S} UTC" if self.times and self._stands_still else ""
        return Check(
            "the client kept writing",
            self.acknowledged > 1 and not still,
            f"{self.acknowledged:,} rows{still}",
            "2 or more, up to the end",
            "Check the writer's pod and its log.",
        )

    @property
    def no_duplicates(self) -> Check:
        """Whether no key of the server's sequences already existed."""
        return Check(
            "duplicate keys",
            not self.duplicates,
            self.duplicates,
            0,
            "A sequence is behind its table: set it beyond the table's largest key.",
        )

    def checks(self, journal: Journal, *, longest: float) -> Checks:
        """Check that the client kept writing, and no gap was longer than `longest` seconds."""
        gap = self.longest.seconds if self.longest else float("inf")
        lasted = Check(
            "longest gap in its writes",
            gap <= longest,
            self.meter.explain(self.longest) if self.longest else "–",
            f"at most {format_duration(longest)}",
            "See the journal for what ran at that time.",
        )
        return Checks.of(f"Client {self.name}", [self.kept_on, lasted, self.no_duplicates], journal)


@dataclass(frozen=True, repr=False)
class DurabilityCheck(Displayable):
    """Acknowledged rows searched on a server."""

    server: str
    acknowledged: int
    missing: Sequence[int]

    @property
    def check(self) -> Check:
        """Check that every row whose COMMIT was acknowledged exists."""
        some = ", ".join(str(row) for row in self.missing[:_SHOWN])
        return Check(
            f"acknowledged rows on {self.server}",
            not self.missing,
            f"{self.acknowledged - len(self.missing):,}" + (f"; missing {some}" if some else ""),
            f"{self.acknowledged:,}",
            "Rows whose commit was acknowledged are missing: keep every volume and log unchanged.",
        )

    @property
    def table(self) -> Table:
        """The numbers."""
        lost = Cell(f"{len(self.missing):,}", "bad" if self.missing else "good")
        facts = {"acknowledged": self.acknowledged, "missing": lost}
        return key_value_table(f"Acknowledged rows on {self.server}", facts)


def write_log_of(
    name: str, lines: Iterable[LogLine], asked: datetime, since: datetime | None = None
) -> WriteLog:
    """Return a client's log: a line with only an id is an acknowledged commit; the rest is text."""
    lines = [line for line in lines if line.text.strip()]
    told = sorted(
        (line.at, int(line.text))
        for line in lines
        if line.at and _ID.match(line.text) and (since is None or line.at >= since)
    )
    said = [line for line in lines if not _ID.match(line.text) and not is_meters(line.text)]
    return WriteLog(
        name,
        [row for _, row in told],
        [at for at, _ in told],
        asked,
        summary=[line.text for line in said[-_SHOWN:]],
        duplicates=sum(_DUPLICATE in line.text for line in said),
        refused=[line.at for line in said if line.at and (since is None or line.at >= since)],
        meter=Meter.of(lines, since),
    )
