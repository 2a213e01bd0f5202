"""A writing client's gaps: each wait for the next acknowledged commit, over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter, date2num
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pgnb.core.display import format_duration
from pgnb.observe.meter import Gap
from pgnb.observe.plots import style
from pgnb.observe.write_log import WriteLog

_SHORTEST = 5.0
"""Seconds that the axis shows at least."""
_DECADES = (0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0)


def gaps(
    write_log: WriteLog,
    *,
    allowed: float | None = None,
    named: Sequence[tuple[Gap, str]] = (),
    marks: Sequence[tuple[str, datetime, datetime]] = (),
) -> style.Plot:
    """Plot each gap as a vertical line of its length (logarithmic); the longest ones have labels.

    `allowed` is the longest allowed gap, in seconds; `named` are gaps with what ran then, listed below;
    `marks` (label, start, end) shade what ran. Dots are the delays of an idle process beside the client,
    caused by the machine.
    """
    with style.figure(
        write_log.finding, _explanation(write_log, named), height=3.4 + 0.2 * len(named)
    ) as plot:
        axes = plot.subplots()
        if not write_log.gaps:
            style.say(axes, "fewer than two acknowledged rows: no gap to show")
            return plot
        drawn = _drawn(write_log.gaps)
        limit = float("inf") if allowed is None else allowed
        _lines(axes, drawn, limit)
        _machine(axes, write_log)
        _scales(axes, drawn, allowed)
        for label, start, end in marks:
            style.shade(axes, float(date2num(start)), float(date2num(end)), label)
        if allowed is not None:
            style.threshold(axes, allowed, f"allowed: at most {format_duration(allowed)}")
        _name_longest(axes, drawn, limit)
    return plot


def _explanation(write_log: WriteLog, named: Sequence[tuple[Gap, str]]) -> str:
    pace = f" It writes every {format_duration(write_log.usual)}." if write_log.usual is not None else ""
    dots = " Dots: by how much an idle process beside it was late." if write_log.meter.overslept else ""
    lines = [
        f"Client {write_log.name}: time from one acknowledged commit to the next, as it saw it.{pace}{dots}"
    ]
    lines += [f"{gap.start:%H:%M:%S}  {write_log.meter.explain(gap)}: {what}" for gap, what in named]
    return "\n".join(lines)


def _machine(axes: Axes, write_log: WriteLog) -> None:
    late = write_log.meter.overslept
    shown = [max(late[piece], key=lambda gap: gap.seconds) for piece in style.thinned(len(late))]
    times, heights = date2num([gap.end for gap in shown]), [gap.seconds for gap in shown]
    axes.plot(times, heights, ls="", marker="o", ms=3, color=style.ORANGE, zorder=3)


def _drawn(seen: Sequence[Gap]) -> list[Gap]:
    return [max(seen[piece], key=lambda gap: gap.seconds) for piece in style.thinned(len(seen))]


def _lines(axes: Axes, drawn: Sequence[Gap], limit: float) -> None:
    for colour, chosen, width in (
        (style.BLUE, [gap for gap in drawn if gap.seconds <= limit], 1.0),
        (style.VERMILLION, [gap for gap in drawn if gap.seconds > limit], 2.6),
    ):
        times = date2num([gap.end for gap in chosen])
        axes.vlines(times, 0.0001, [gap.seconds for gap in chosen], color=colour, lw=width)


def _scales(axes: Axes, drawn: Sequence[Gap], allowed: float | None) -> None:
    top = max([gap.seconds for gap in drawn] + ([allowed] if allowed else []))
    axes.set_yscale("log")
    axes.set_ylim(0.001, max(top * 4, 0.1))
    axes.yaxis.set_major_locator(FixedLocator(_DECADES))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: format_duration(value).replace(".0 s", " s"))
    )
    axes.set_ylabel("gap (logarithmic)")
    first, last = float(date2num(drawn[0].start)), float(date2num(drawn[-1].end))
    axes.set_xlim(first, max(last, first + _SHORTEST / 86400))
    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M:%S"))
    axes.set_xlabel(f"UTC, {drawn[0].start:%Y-%m-%d}")


def _name_longest(axes: Axes, drawn: Sequence[Gap], limit: float) -> None:
    """Label the longest gap, and up to two more that were too long."""
    longest = sorted(drawn, key=lambda gap: -gap.seconds)[:3]
    for rank, gap in enumerate(longest):
        if rank == 0 or gap.seconds > limit:
            colour = style.VERMILLION if gap.seconds > limit else style.INK
            style.note(axes, format_duration(gap.seconds), float(date2num(gap.end)), gap.seconds, colour)
