"""Lag over time: bytes and seconds, with the load marked and the times without a connection hatched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import nan

import numpy as np
from matplotlib.axes import Axes

from pgnb.core.display import format_bytes, format_duration
from pgnb.core.errors import ParameterError
from pgnb.observe.lag import LagSamples, LagSeries, Span
from pgnb.observe.plots import style

_STAGES = (
    ("sent", "sent: not sent yet", style.PURPLE),
    ("write", "write: sent, not written there", style.ORANGE),
    ("flush", "flush: written, not on disk there", style.GREEN),
    ("replay", "replay: on disk, not visible there", style.BLUE),
)
_REPORTED = (("write_seconds", style.ORANGE), ("flush_seconds", style.GREEN), ("replay_seconds", style.BLUE))
Values = Sequence[float | None]


def lag(
    samples: LagSamples,
    *,
    standby: str = "",
    max_bytes: float | None = None,
    max_seconds: float | None = None,
) -> style.Plot:
    """Plot bytes above, seconds below; one standby by stage, several by their whole lag.

    `standby` selects one of several. `max_bytes` and `max_seconds` draw thresholds. Raises ParameterError if
    there is no standby of that name.
    """
    series = _chosen(samples, standby)
    finding = samples.finding if not standby else LagSamples(tuple(series), samples.spans).finding
    with style.figure(finding, _explanation(samples), height=6.0 if series else 2.2) as plot:
        if not any(one.samples for one in series):
            style.say(plot.subplots(), "nothing was sampled")
            return plot
        above, below = plot.subplots(2, 1, sharex=True)
        (_stages if len(series) == 1 else _wholes)(above, series, samples)
        _seconds(below, series, samples)
        _finish(above, below, series, samples)
        if max_bytes is not None:
            style.threshold(above, max_bytes, f"threshold {format_bytes(max_bytes)}")
        if max_seconds is not None:
            style.threshold(below, max_seconds, f"threshold {format_duration(max_seconds)}")
    return plot


def _chosen(samples: LagSamples, standby: str) -> list[LagSeries]:
    found = [one for one in samples.series if standby in ("", one.name)]
    if standby and not found:
        names = ", ".join(one.name for one in samples.series) or "none"
        raise ParameterError(f"no samples of a standby named {standby!r}", found=f"there are: {names}")
    return found


def _explanation(samples: LagSamples) -> str:
    began = f"0 s is {samples.began.astimezone():%Y-%m-%d %H:%M:%S %Z}; " if samples.began else ""
    return f"{began}sampled at {samples.hz:g} Hz. A gap in a line: idle, or no answer."


def _stages(axes: Axes, series: Sequence[LagSeries], samples: LagSamples) -> None:
    """Plot the primary's four lags as stacked areas: each shows what its stage adds."""
    one = series[0]
    times, columns = _drawn(
        one, [[getattr(s, name) for s in one.samples] for name, _, _ in _STAGES], samples.hz
    )
    floor = [0.0] * len(times)
    for (_, label, colour), values in zip(_STAGES, columns, strict=True):
        axes.fill_between(times, floor, values, color=colour, alpha=0.25, lw=0)
        axes.plot(times, values, color=colour, lw=1.4, marker=_marker(values), ms=4, label=label)
        floor = values
    times, (behind,) = _drawn(one, [[sample.behind for sample in one.samples]], samples.hz)
    axes.plot(times, behind, color=style.INK, lw=1.2, ls=":", label="missing there, as the standby says")


def _wholes(axes: Axes, series: Sequence[LagSeries], samples: LagSamples) -> None:
    for one, colour in zip(series, _colours(series), strict=True):
        times, (behind,) = _drawn(one, [[sample.behind for sample in one.samples]], samples.hz)
        axes.plot(times, behind, color=colour, lw=1.6, label=style.drawable(one.name))


def _seconds(axes: Axes, series: Sequence[LagSeries], samples: LagSamples) -> None:
    for one, colour in zip(series, _colours(series), strict=True):
        times, (age,) = _drawn(one, [one.seconds], samples.hz)
        label = "age of the standby's state" if len(series) == 1 else style.drawable(one.name)
        axes.plot(
            times,
            age,
            color=style.INK if len(series) == 1 else colour,
            lw=1.6,
            label=label,
            marker=_marker(age),
            ms=4,
        )
    if len(series) == 1:
        _reported(axes, series[0], samples)


def _reported(axes: Axes, one: LagSeries, samples: LagSamples) -> None:
    """Plot the lags that pg_stat_replication gives as intervals."""
    columns = [[getattr(sample, name) for sample in one.samples] for name, _ in _REPORTED]
    times, drawn = _drawn(one, columns, samples.hz)
    for (name, colour), values in zip(_REPORTED, drawn, strict=True):
        label = name.replace("_seconds", "_lag")
        axes.plot(times, values, color=colour, lw=1.2, marker=".", ms=3, label=label)


def _finish(above: Axes, below: Axes, series: Sequence[LagSeries], samples: LagSamples) -> None:
    last = max(sample.at for one in series for sample in one.samples)
    below.set_xlim(0, max(last, 1 / samples.hz))
    style.seconds_axis(below.xaxis, last)
    style.bytes_axis(above, _top(above))
    below.set_ylim(0, max(_top(below) * 1.18, 0.01))
    style.seconds_axis(below.yaxis, _top(below))
    above.set_ylabel("WAL behind the primary")
    below.set_ylabel("time behind the primary")
    below.set_xlabel("time since sampling began")
    for axes, format_value in ((above, format_bytes), (below, format_duration)):
        _spans(axes, series, samples, named=axes is above)
        _peak(axes, format_value)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)


def _spans(axes: Axes, series: Sequence[LagSeries], samples: LagSamples, *, named: bool) -> None:
    for span in samples.spans:
        style.shade(axes, span.start, span.end, span.label if named else "")
    for gone in _away(series):
        style.shade(axes, gone.start, gone.end, gone.label if named else "", style.VERMILLION, alarm=True)


def _away(series: Sequence[LagSeries]) -> list[Span]:
    if len(series) == 1:
        return list(series[0].away)
    return [replace(gone, label=f"{gone.label}: {one.name}") for one in series for gone in one.away]


def _colours(series: Sequence[LagSeries]) -> list[str]:
    return [style.SERIES[index % len(style.SERIES)] for index in range(len(series))]


def _drawn(one: LagSeries, columns: Sequence[Values], hz: float) -> tuple[list[float], list[list[float]]]:
    """Return times and values to draw: the largest of each piece, with a break where samples are missing."""
    times: list[float] = []
    drawn: list[list[float]] = [[] for _ in columns]
    for piece in style.thinned(len(one.samples)):
        at = one.samples[piece.start].at
        if times and at - times[-1] > 3 * (piece.stop - piece.start) / hz:
            times.append(at)
            for values in drawn:
                values.append(nan)
        times.append(at)
        for values, column in zip(drawn, columns, strict=True):
            values.append(max((v for v in column[piece] if v is not None), default=nan))
    return times, drawn


def _marker(values: Sequence[float]) -> str:
    """Return a dot as the marker for a single point, because a line through it is not visible."""
    return "o" if sum(value == value for value in values) == 1 else ""


def _top(axes: Axes) -> float:
    values = (float(v) for line in axes.get_lines() for v in np.asarray(line.get_ydata()) if v == v)
    return max(values, default=0.0)


def _peak(axes: Axes, format_value: Callable[[float], str]) -> None:
    """Label the largest value of the axes at its time."""
    points = [
        (float(y), float(x))
        for line in axes.get_lines()
        for x, y in zip(np.asarray(line.get_xdata()), np.asarray(line.get_ydata()), strict=True)
        if y == y
    ]
    value, at = max(points, default=(0.0, 0.0))
    if value > 0:
        style.note(axes, f"peak {format_value(value)}", at, value)
