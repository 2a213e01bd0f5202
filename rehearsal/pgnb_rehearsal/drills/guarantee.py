"""Compare the clients' logs with the servers: the guarantee, kept or broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_duration
from pgnb.core.journal import Journal
from pgnb.observe.write_log import DurabilityCheck, WriteLog
from pgnb_rehearsal.drills.interruptions import Interruption, Interruptions, Ran, interruptions


@dataclass(frozen=True)
class Loss:
    """A loss that a failover announced: at most so many commits, None if unknown."""

    most: int | None

    @property
    def summary(self) -> str:
        """The announced number."""
        return "an unknown number of" if self.most is None else f"at most {self.most:,}"

    def check(self, found: DurabilityCheck) -> Check:
        """Check that no more rows are missing than announced."""
        lost = len(found.missing)
        return Check(
            f"acknowledged rows on {found.server}",
            self.most is None or lost <= self.most,
            f"{lost:,} missing",
            f"{self.summary} missing, as notebook 09 announced",
            "More rows are missing than announced: keep every volume and log unchanged.",
        )


@dataclass(frozen=True)
class ClientReport:
    """One client's log, its rows on each server, and what ran meanwhile."""

    write_log: WriteLog
    durability: tuple[DurabilityCheck, ...]
    ran: tuple[Ran, ...] = ()

    @cached_property
    def interruptions(self) -> Interruptions:
        """What interrupted the client."""
        return interruptions(self.write_log, self.ran)

    @property
    def lost(self) -> int:
        """Number of acknowledged rows that are missing, on the server that misses most."""
        return max((len(one.missing) for one in self.durability), default=0)

    @property
    def summary(self) -> str:
        """A line for each figure."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        write_log = self.write_log
        yield f"client  {write_log.acknowledged:,} rows acknowledged ({write_log.name})"
        for one in self.durability:
            yield f"found   {one.acknowledged - len(one.missing):,} on {one.server}"
        yield from self._gaps()
        yield f"machine {write_log.machine}"
        yield f"keys    {write_log.duplicates or 'no'} duplicates"

    def _gaps(self) -> Iterator[str]:
        if self.interruptions.longest is None:
            yield "gap     –, too few rows"
        for number, item in enumerate(self.interruptions.named):
            yield f"gap     {self._told(item)}" + (", the longest in its writes" if number == 0 else "")
            yield f"ran     {item.cause}"

    def _told(self, item: Interruption) -> str:
        refused = ", the client was refused" if item.refused else ""
        return f"{self.write_log.meter.explain(item.gap)} at {item.gap.start:%H:%M:%S} UTC{refused}"


@dataclass(frozen=True)
class Guarantee:
    """The reports of all clients, and whether the guarantee was kept."""

    reports: tuple[ClientReport, ...]
    checks: Checks
    loss: Loss | None = None

    @classmethod
    def of(cls, reports: Sequence[ClientReport], journal: Journal, *, loss: Loss | None = None) -> Guarantee:
        """Check that no row is missing and that writes were interrupted only where that was allowed.

        `loss`: what a failover announced; so many rows may be missing.
        """
        items = [loss.check(one) if loss else one.check for word in reports for one in word.durability]
        for word in reports:
            items += [word.write_log.kept_on, word.write_log.no_duplicates, word.interruptions.check]
        return cls(tuple(reports), Checks.of("The guarantee", items, journal), loss)

    @property
    def summary(self) -> str:
        """The guarantee, kept or broken, a line for each figure."""
        return "\n".join([*(word.summary for word in self.reports), self._verdict])

    @property
    def _verdict(self) -> str:
        if not self.checks.ok:
            broken = "; ".join(f"{c.name}: {c.found} (wanted {c.wanted})" for c in self.checks.failed)
            return f"GUARANTEE BROKEN: {broken}"
        lost = max((word.lost for word in self.reports), default=0)
        if lost and self.loss:
            return f"loss was announced: {lost:,} of {self.loss.summary} acknowledged rows; writing went on"
        return f"guarantee kept: no acknowledged row is missing, and {self._writes}"

    @property
    def _writes(self) -> str:
        real = [item for word in self.reports for item in word.interruptions.items if item.ran]
        if not real:
            return "no write was interrupted by the procedure"
        longest = format_duration(max(item.gap.seconds for item in real))
        return f"writes were interrupted only where it was allowed ({longest} at most)"
