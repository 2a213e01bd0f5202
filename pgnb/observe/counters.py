"""Convert the servers' answers to a recording: all values at common points in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pgnb.observe.lag import MEASURED, LagSample, LagSamples, LagSeries
from pgnb.observe.poller import Sample
from pgnb.observe.recording import Values

Points = Mapping[int, float]
"""Values by their index in the points in time."""

_COUNTERS = (
    "checkpoints_timed",
    "checkpoints_requested",
    "checkpoint_write",
    "checkpoint_sync",
)
_OF_PRIMARY = (*_COUNTERS, "archive_failures")
_OF_STANDBY = (
    *_COUNTERS,
    "conflicts",
    "conflicts_lock",
    "conflicts_snapshot",
    "conflicts_bufferpin",
    "conflicts_deadlock",
)
_STEADY = 2.0
"""Seconds over which a rate of transactions is measured: a busy session reports at most once a second."""
_SAFE = ("reserved", "extended")
_AS_SAMPLED = ("behind", *MEASURED)


def grid(lag: LagSamples, counters: Iterable[Sequence[Sample]]) -> tuple[float, ...]:
    """Return the points in time, from 0 to the last answer of any server."""
    ends = [one.samples[-1].at for one in lag.series if one.samples]
    ends += [samples[-1].at for samples in counters if samples]
    return tuple(tick / lag.hz for tick in range(_tick(max(ends), lag.hz) + 1)) if ends else ()


def columns_of_primary(
    positions: Sequence[tuple[float, int]], samples: Sequence[Sample], hz: float
) -> dict[str, Points]:
    """Return the primary's columns: from its WAL positions, seconds and bytes, and from its counters."""
    wal = [(at, float(position)) for at, position in positions]
    return {
        "wal_rate": rates(wal, hz),
        "commit_rate": rates(_counter(samples, "commits"), hz, over=_STEADY),
        "full_page_images": _by_tick(_counter(samples, "wal_fpi"), hz),
        **{name: _by_tick(_counter(samples, name), hz) for name in _OF_PRIMARY},
    }


def columns_of_standby(series: LagSeries, polled: Sequence[Sample], hz: float) -> dict[str, Points]:
    """Return a standby's columns: from the samples of its lag, and from its counters."""
    samples = series.samples
    found: dict[str, Points] = {
        name: _by_tick([(s.at, value) for s in samples if (value := getattr(s, name)) is not None], hz)
        for name in _AS_SAMPLED
    }
    for name, answers in _answers(samples).items():
        found[name] = _by_tick([(at, float(answer)) for at, answer in answers], hz)
    aged = zip(samples, series.seconds, strict=True)
    found["age"] = _by_tick([(s.at, age) for s, age in aged if age is not None], hz)
    replayed = [(s.at, float(s.replayed)) for s in samples if s.replayed is not None]
    found["replay_rate"] = rates(replayed, hz)
    return found | {name: _by_tick(_counter(polled, name), hz) for name in _OF_STANDBY}


def _answers(samples: Sequence[LagSample]) -> dict[str, list[tuple[float, bool]]]:
    """Return yes-or-no values at the times at which they were seen."""
    return {
        "connected": [(s.at, s.connected) for s in samples],
        "receiving": [(s.at, s.receiver == "streaming") for s in samples if s.replayed is not None],
        "replaying": [(s.at, s.pause_state == "not paused") for s in samples if s.pause_state],
        "slot_safe": [(s.at, s.wal_status in _SAFE) for s in samples if s.wal_status],
    }


def rates(readings: Sequence[tuple[float, float]], hz: float, *, over: float = 0.0) -> dict[int, float]:
    """Return the growth a second at each reading, since the last one at least `over` seconds older.

    There is no rate where a value fell, because counting began again.
    """
    found: dict[int, float] = {}
    first = 0
    for index in range(1, len(readings)):
        at, value = readings[index]
        while first + 1 < index and at - readings[first + 1][0] >= over:
            first += 1
        before, earlier = readings[first]
        if at - before >= max(over * 0.9, 0.001) and value >= earlier:
            found[_tick(at, hz)] = (value - earlier) / (at - before)
    return found


def row_of(points: Points, times: Sequence[float]) -> Values:
    """Return the values at every point in time, None where there is none."""
    return tuple(points.get(index) for index in range(len(times)))


def _counter(samples: Sequence[Sample], name: str) -> list[tuple[float, float]]:
    return [(look.at, float(look.rows[0][name])) for look in samples if look.rows[0][name] is not None]


def _by_tick(readings: Iterable[tuple[float, float]], hz: float) -> dict[int, float]:
    return {_tick(at, hz): value for at, value in readings}


def _tick(at: float, hz: float) -> int:
    """Return the index of a moment; a late answer belongs to the point before it."""
    return int(at * hz + 0.001)
