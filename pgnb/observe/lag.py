"""Lag as values: samples in bytes and seconds, their statistics, and a finding in one sentence.

Lag is never one number. The primary knows how far each standby has received, written, flushed and replayed;
the standby knows its own position, also without a connection to the primary; the slot knows how much is kept
for it. An idle standby is not behind, and one without a receiver is not at 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import ceil

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Displayable, Table, format_bytes, format_duration
from pgnb.core.journal import Journal

MEASURED = (
    "sent",
    "write",
    "flush",
    "replay",
    "write_seconds",
    "flush_seconds",
    "replay_seconds",
    "retained",
)
"""What the primary knows of each standby's lag: fields of LagSample."""


@dataclass(frozen=True)
class LagSample:
    """One sample of one standby, `at` seconds after the sampling began.

    `position` is the primary's WAL position in bytes; `sent`, `write`, `flush` and `replay` are the bytes
    that the standby is behind it, and the `…_seconds` the lags of pg_stat_replication: None when idle or not
    connected. `received` and `replayed` are the standby's own positions. `retained` is what its slot keeps,
    in bytes.
    """

    at: float
    position: int
    state: str = ""
    sent: int | None = None
    write: int | None = None
    flush: int | None = None
    replay: int | None = None
    write_seconds: float | None = None
    flush_seconds: float | None = None
    replay_seconds: float | None = None
    received: int | None = None
    replayed: int | None = None
    receiver: str | None = None
    pause_state: str = ""
    retained: int | None = None
    wal_status: str = ""

    @property
    def connected(self) -> bool:
        """Whether the primary sends to this standby."""
        return self.state in ("streaming", "catchup")

    @property
    def seen_position(self) -> int | None:
        """The standby's replay position: from the standby itself, else the primary, else its slot."""
        if self.replayed is not None:
            return self.replayed
        missing = self.retained if self.replay is None else self.replay
        return None if missing is None else self.position - missing

    @property
    def behind(self) -> int | None:
        """Bytes of WAL that the standby has not replayed; None if unknown."""
        seen = self.seen_position
        return None if seen is None else max(0, self.position - seen)


@dataclass(frozen=True)
class Span:
    """A named time of the sampling, in seconds from its beginning: the load, a restart."""

    label: str
    start: float
    end: float


def seconds_behind(samples: Sequence[LagSample]) -> tuple[float | None, ...]:
    """Return the age, in seconds, of the state that the standby shows, at each sample.

    It is the time since the primary's position went beyond what the standby has replayed: 0 while nothing is
    missing, growing while a standby without a receiver misses something. Between two samples the primary is
    assumed to have written evenly. If the standby was behind from the first sample on, the time is counted
    from there, so it is at least that. None if the standby's position is not known.
    """
    positions = [sample.position for sample in samples]
    return tuple(_age(samples, positions, index) for index in range(len(samples)))


def _age(samples: Sequence[LagSample], positions: Sequence[int], index: int) -> float | None:
    sample = samples[index]
    if sample.behind is None or sample.seen_position is None:
        return None
    if sample.behind == 0:
        return 0.0
    missed = bisect_right(positions, sample.seen_position, 0, index)
    if missed == 0:
        return sample.at - samples[0].at
    before, after = samples[missed - 1], samples[missed]
    share = (sample.seen_position - before.position) / (after.position - before.position)
    return sample.at - (before.at + share * (after.at - before.at))


@dataclass(frozen=True)
class LagSeries:
    """All samples of one standby, in order of time; `name` is its application_name, or its slot's name."""

    name: str
    samples: tuple[LagSample, ...]

    @cached_property
    def seconds(self) -> tuple[float | None, ...]:
        """`seconds_behind` of the samples."""
        return seconds_behind(self.samples)

    @property
    def away(self) -> tuple[Span, ...]:
        """The times in which the primary had no connection to the standby."""
        spans: list[Span] = []
        start: float | None = None
        for sample in self.samples:
            if not sample.connected and start is None:
                start = sample.at
            elif sample.connected and start is not None:
                spans.append(Span("not connected", start, sample.at))
                start = None
        if start is not None:
            spans.append(Span("not connected", start, self.samples[-1].at))
        return tuple(spans)

    def caught_up_after(self, moment: float) -> float | None:
        """Return the seconds from `moment` until everything written by then was seen to be replayed.

        None if it was not, or if there is no sample of that time or later.
        """
        later = [sample for sample in self.samples if sample.at >= moment]
        goal = later[0].position if later else 0
        reached = (s.at for s in later if s.seen_position is not None and s.seen_position >= goal)
        first = next(reached, None)
        return None if first is None else first - moment

    def seen_after(self, moment: float) -> bool:
        """Return whether there is a sample of that time or later."""
        return bool(self.samples) and self.samples[-1].at >= moment

    @property
    def peak(self) -> tuple[int | None, float | None]:
        """The largest lag in bytes and in seconds."""
        behind = [s.behind for s in self.samples if s.behind is not None]
        seconds = [value for value in self.seconds if value is not None]
        return max(behind, default=None), max(seconds, default=None)


@dataclass(frozen=True, repr=False)
class LagSamples(Displayable):
    """The result of a LagSampler: a series for each standby, the named spans, and errors.

    `began` is the wall clock at second 0; `hz` the desired rate; `skipped` the samples that were too late;
    `troubles` the errors of the servers, each once.
    """

    series: tuple[LagSeries, ...]
    spans: tuple[Span, ...] = ()
    hz: float = 10.0
    began: datetime | None = None
    skipped: int = 0
    troubles: tuple[str, ...] = ()

    @property
    def finding(self) -> str:
        """The finding, one sentence for each standby."""
        if not any(series.samples for series in self.series):
            return "No standby was seen: neither connected nor with a slot."
        return "\n".join(f"{series.name}: {self._finding(series)}" for series in self.series)

    def _finding(self, series: LagSeries) -> str:
        if not any(sample.connected for sample in series.samples):
            return f"never connected; {_peak_words(series)}"
        words = [_peak_words(series)]
        if series.away:
            gone = sum(span.end - span.start for span in series.away)
            words.append(f"not connected for {format_duration(gone)}")
        words += [_recovery(series, span) for span in self.spans]
        return ", ".join(words)

    @property
    def table(self) -> Table:
        """Minimum, median, 95th percentile, maximum and last value of each lag of each standby."""
        rows = [
            (series.name, label, *_spelled(values, format_value))
            for series in self.series
            for label, format_value, values in _measures(series)
        ]
        columns = ("standby", "lag", "min", "median", "p95", "max", "last")
        return Table.of(columns, rows, title="Replication lag", note=self._note())

    def _note(self) -> str:
        count = max((len(series.samples) for series in self.series), default=0)
        late = f"; {self.skipped} skipped, because the answer before them was late" if self.skipped else ""
        lines = [f"{count} samples at {self.hz:g} Hz{late}."]
        lines += ["The lags of pg_stat_replication are empty (–) while idle."] if count else []
        return "\n".join([*lines, *self.troubles])

    def checks(self, journal: Journal, *, wait: float = 0.0) -> Checks:
        """Check that each standby was seen, stayed connected, and caught up `wait` seconds after a span."""
        items = [check for series in self.series for check in self._checks(series, wait)]
        seen = Check("a standby was sampled", bool(items), len(self.series), "1 or more", _NOT_SEEN)
        return Checks.of("Replication lag", [seen, *items], journal)

    def _checks(self, series: LagSeries, wait: float) -> Iterable[Check]:
        gone = sum(span.end - span.start for span in series.away)
        yield Check(
            f"{series.name} stayed connected",
            not series.away,
            f"away for {format_duration(gone)}" if series.away else "throughout",
            "throughout",
            "Check the standby's log and pg_stat_wal_receiver (section 8).",
        )
        for span in self.spans:
            took = series.caught_up_after(span.end)
            in_time = took is not None and (not wait or took <= wait)
            yield Check(
                f"{series.name} caught up after {span.label}",
                in_time,
                "not while it was sampled" if took is None else format_duration(took),
                f"within {format_duration(wait)}" if wait else "while it was sampled",
                "Sample for longer, and compare sent with replay: the cause is the network,"
                " or the standby's disk.",
            )


_NOT_SEEN = "No walsender and no physical slot: see sections 2.3 and 3."


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def _measures(series: LagSeries) -> Iterable[tuple[str, Callable[[float], str], list[float | None]]]:
    samples = series.samples
    for stage in ("sent", "write", "flush", "replay"):
        yield f"{stage} (bytes)", format_bytes, [getattr(sample, stage) for sample in samples]
    yield "not replayed, by both sides (bytes)", format_bytes, [sample.behind for sample in samples]
    for stage in ("write", "flush", "replay"):
        yield f"{stage}_lag (seconds)", format_duration, [getattr(s, f"{stage}_seconds") for s in samples]
    yield "age of the standby's state (seconds)", format_duration, list(series.seconds)
    yield "kept by the slot (bytes)", format_bytes, [sample.retained for sample in samples]


def _spelled(values: Sequence[float | None], format_value: Callable[[float], str]) -> tuple[object, ...]:
    known = [value for value in values if value is not None]
    if not known:
        return (Cell("–", "dim"),) * 5
    last = format_value(values[-1]) if values[-1] is not None else Cell("–", "dim")
    middle = [format_value(percentile(known, share)) for share in (0.5, 0.95)]
    return (format_value(min(known)), *middle, format_value(max(known)), last)


def _peak_words(series: LagSeries) -> str:
    most, longest = series.peak
    if most is None or longest is None:
        return "its position is not known"
    if not most:
        return "never behind"
    return f"at most {format_bytes(most)} and {format_duration(longest)} behind"


def _recovery(series: LagSeries, span: Span) -> str:
    took = series.caught_up_after(span.end)
    if not series.seen_after(span.end):
        return f"not sampled after {span.label}"
    if took is None:
        return f"not caught up within {format_duration(series.samples[-1].at - span.end)} after {span.label}"
    return (
        f"caught up {format_duration(took)} after {span.label}"
        if took
        else f"level at the end of {span.label}"
    )
