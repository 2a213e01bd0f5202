"""Phases of an operation on clients: the time of each, and all of them in one plot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic

from pgnb.core.display import format_duration
from pgnb.core.journal import Entry, Journal
from pgnb.observe.measure import Service
from pgnb.observe.plots import Plot, timeline
from pgnb.postgres import Server

Silence = tuple[datetime, datetime]
"""The time, from and to, in which no client could write."""


class PhaseTimer:
    """Times the phases of an operation by `with timer(name)`, for the record and the plot.

    `entries` are the phases so far, each with the name of the server that the operation is about.
    """

    def __init__(self, journal: Journal, server: Server) -> None:
        self.journal = journal
        self.server = server
        self.entries: list[Entry] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Record how long a phase took, also if it fails; several steps of one phase count as one."""
        at, started, ok = datetime.now(UTC), monotonic(), False
        try:
            yield
            ok = True
        finally:
            seconds = monotonic() - started
            self.journal.phase(name, seconds)
            if self.entries and self.entries[-1].what == name:
                at = self.entries.pop().at
                seconds = (datetime.now(UTC) - at).total_seconds()
            self.entries.append(Entry(at, self.server.name, name, "done" if ok else "failed", ok, seconds))


def measured_silence(service: Service | None) -> Silence | None:
    """Return the longest gap in a client's writes; None if it was not measured."""
    gap = service.write_log.longest if service and service.write_log else None
    return (gap.start, gap.end) if gap is not None else None


def plot_phases(
    path: str,
    phases: Sequence[Entry],
    silent: Silence | None,
    by: str = "measured by a client",
    *,
    lost: Entry | None = None,
) -> Plot:
    """Plot each phase as a bar, and the time without writes if measured, `by` whom.

    `lost` is the time whose commits are lost, with their number as its result.
    """
    return timeline(phases, phases_title(path, phases, silent, by, lost=lost), silent=silent, lost=lost)


def phases_title(
    path: str, phases: Sequence[Entry], silent: Silence | None, by: str, *, lost: Entry | None = None
) -> str:
    """Return how long the phases took, how long nobody could write, and what is lost; "" without a phase."""
    if not phases:
        return ""
    count, total = len(phases), sum(phase.seconds for phase in phases)
    title = f"{path.capitalize()}: {count} {'phase' if count == 1 else 'phases'}, {format_duration(total)}"
    if silent:
        title += f"; {format_duration((silent[1] - silent[0]).total_seconds())} without writes ({by})"
    else:
        title += "; time without writes: not measured"
    if lost:
        title += f"; commits after {lost.at:%H:%M:%S} UTC did not reach the standby: {lost.result}"
    return title
