"""A recording over time: what is missing, how old it is, WAL and checkpoints, slots, and connections."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import nan

from matplotlib.axes import Axes

from pgnb.core.display import format_bytes, format_duration
from pgnb.observe.limits import Limits
from pgnb.observe.plots import style
from pgnb.observe.recording import Recording, Values

_STATES = (
    ("connected", "not connected", style.VERMILLION),
    ("receiving", "receiver not running", style.ORANGE),
    ("replaying", "replay paused", style.PURPLE),
)
_LEAST = 0.01
"""The share of its limit that an axis shows at least, so that values far below the limit look small."""
_CHECKPOINTS = (
    ("checkpoints_timed", "checkpoint by time", style.GREEN),
    ("checkpoints_requested", "checkpoint by WAL or on request", style.VERMILLION),
)


def monitor(recording: Recording, limits: Limits) -> style.Plot:
    """Plot bytes, seconds, WAL a second, WAL kept by slots, and a strip for each standby's connection."""
    height = 8.6 + 0.28 * len(recording.standbys)
    with style.figure(recording.finding, _explanation(recording), height=height) as plot:
        if len(recording.times) < 2:
            style.say(plot.subplots(), "nothing was sampled yet")
            return plot
        ratios = [2, 2, 2, 2, 0.35 + 0.3 * len(recording.standbys)]
        axes = list(plot.subplots(5, 1, sharex=True, gridspec_kw={"height_ratios": ratios}))
        axes[0].set_xlim(0, recording.seconds)
        _bytes(axes[0], recording, "behind", limits.lag_bytes, "WAL behind")
        _seconds(axes[1], recording, limits.lag_seconds)
        _wal(axes[2], recording)
        _bytes(axes[3], recording, "retained", limits.retained_bytes, "kept by slots")
        _strips(axes[4], recording)
        style.seconds_axis(axes[4].xaxis, recording.seconds)
        axes[4].set_xlabel("time since sampling began")
    return plot


def _explanation(recording: Recording) -> str:
    began = f"0 s is {recording.began.astimezone():%Y-%m-%d %H:%M:%S %Z}; " if recording.began else ""
    return f"{began}one sample every {format_duration(recording.interval)}. A gap in a line: no answer."


def _bytes(axes: Axes, recording: Recording, measure: str, limit: float, label: str) -> None:
    top = _lines(axes, recording, measure)
    style.bytes_axis(axes, max(top, _LEAST * limit))
    style.threshold(axes, limit, f"limit {format_bytes(limit)}")
    _finish(axes, label, recording, named=measure == "behind")


def _seconds(axes: Axes, recording: Recording, limit: float) -> None:
    top = _lines(axes, recording, "age")
    top = max(top, _LEAST * limit, 0.1)
    axes.set_ylim(0, top * 1.18)
    style.seconds_axis(axes.yaxis, top)
    style.threshold(axes, limit, f"limit {format_duration(limit)}")
    _finish(axes, "time behind", recording, named=False)


def _wal(axes: Axes, recording: Recording) -> None:
    """Plot the primary's WAL as an area, each standby's replay as a line, and the ends of checkpoints."""
    times, (written,) = _drawn(recording, [recording.values(recording.primary, "wal_rate")])
    axes.fill_between(times, 0, written, color=style.INK, alpha=0.12, lw=0)
    axes.plot(times, written, color=style.INK, lw=1.4, label="written")
    top = max(_lines(axes, recording, "replay_rate", prefix="replayed: "), _top(written))
    style.bytes_axis(axes, top)
    for measure, label, colour in _CHECKPOINTS:
        _marks(axes, recording, measure, label, colour)
    _finish(axes, "WAL a second", recording, named=True)


def _marks(axes: Axes, recording: Recording, measure: str, label: str, colour: str) -> None:
    values = recording.values(recording.primary, measure)
    steps = [
        at
        for at, (before, after) in zip(recording.times[1:], pairwise(values), strict=True)
        if before is not None and after is not None and after > before
    ]
    for index, at in enumerate(steps):
        axes.axvline(at, color=colour, lw=1.4, ls=":", label=label if index == 0 else "")


def _lines(axes: Axes, recording: Recording, measure: str, prefix: str = "") -> float:
    top = 0.0
    for index, name in enumerate(recording.standbys):
        times, (values,) = _drawn(recording, [recording.values(name, measure)])
        colour = style.SERIES[index % len(style.SERIES)]
        axes.plot(times, values, color=colour, lw=1.6, label=style.drawable(f"{prefix}{name}"))
        top = max(top, _top(values))
    return top


def _finish(axes: Axes, label: str, recording: Recording, *, named: bool) -> None:
    """Label the axes; a standby has the same colour in each, so that one legend is enough."""
    axes.set_ylabel(label)
    if named and axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    for name in recording.standbys:
        for start, end in _spans(recording, name, "connected"):
            style.shade(axes, start, end, "", style.VERMILLION, alarm=True)


def _strips(axes: Axes, recording: Recording) -> None:
    """Plot a bar for each standby: green while all is well, otherwise labelled with the problem."""
    shown: set[str] = set()
    for row, name in enumerate(recording.standbys):
        label = "" if row else "streams and replays"
        axes.barh(row, recording.seconds, height=0.62, color=style.GREEN, alpha=0.35, lw=0, label=label)
        for measure, words, colour in _STATES:
            for start, end in _spans(recording, name, measure):
                label = "" if words in shown else words
                axes.barh(row, end - start, left=start, height=0.62, color=colour, lw=0, label=label)
                shown.add(words)
        _cancelled(axes, recording, name, row)
    axes.set_yticks(range(len(recording.standbys)), [style.drawable(n) for n in recording.standbys])
    axes.set_ylim(len(recording.standbys) - 0.5, -0.5)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0, labelcolor=style.INK)
    if recording.standbys:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)


def _cancelled(axes: Axes, recording: Recording, name: str, row: int) -> None:
    values = recording.values(name, "conflicts")
    steps = zip(recording.times[1:], pairwise(values), strict=True)
    at = [t for t, (before, after) in steps if before is not None and after is not None and after > before]
    if at:
        label = "queries cancelled" if row == 0 else ""
        axes.plot(at, [row] * len(at), marker="x", ls="", ms=6, mew=1.8, color=style.INK, label=label)


def _spans(recording: Recording, name: str, measure: str) -> list[tuple[float, float]]:
    """Return the times in which a yes-or-no measure was no."""
    spans: list[tuple[float, float]] = []
    for at, value in zip(recording.times, recording.values(name, measure), strict=True):
        if value == 0:
            open_ = bool(spans) and abs(spans[-1][1] - at) < recording.interval / 2
            start = spans.pop()[0] if open_ else at
            spans.append((start, at + recording.interval))
    return [(start, min(end, recording.seconds)) for start, end in spans]


def _drawn(recording: Recording, columns: Sequence[Values]) -> tuple[list[float], list[list[float]]]:
    """Return times and values to draw: the largest of each piece, and a gap where nothing was seen."""
    pieces = style.thinned(len(recording.times))
    times = [recording.times[piece.start] for piece in pieces]
    return times, [
        [max((v for v in column[piece] if v is not None), default=nan) for piece in pieces]
        for column in columns
    ]


def _top(values: Sequence[float]) -> float:
    return max((value for value in values if value == value), default=0.0)
