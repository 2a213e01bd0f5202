"""The acts of a run as bars over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from matplotlib.axes import Axes

from pgnb.core.display import format_duration
from pgnb.core.journal import Entry
from pgnb.observe.plots import style

_MOST_ROWS = 25
_NAME_LIMIT = 56
_THINNEST = 0.004
"""The shortest bar that can be seen, as a share of the whole."""


def timeline(
    entries: Sequence[Entry],
    title: str = "",
    *,
    silent: tuple[datetime, datetime] | None = None,
    lost: Entry | None = None,
) -> style.Plot:
    """Plot a bar for each act of a journal, the longest 25 in order of time; failed ones are red.

    `title` says what the run was; by default, its length and its longest act. The time `silent`, in which no
    client could write, is shaded. `lost` is not an act, but the time whose commits are lost: a bar of its own
    kind above the others.
    """
    acts = sorted(sorted(entries, key=lambda entry: -entry.seconds)[:_MOST_ROWS], key=lambda entry: entry.at)
    shown = [lost, *acts] if lost else acts
    with style.figure(
        title or _finding(entries), _explanation(entries, lost), height=1.5 + 0.28 * max(2, len(shown))
    ) as plot:
        axes = plot.subplots()
        if not shown:
            style.say(axes, "nothing was changed")
            return plot
        _bars(axes, shown, lost)
        if silent:
            start, end = ((at - _begin(shown)).total_seconds() for at in silent)
            words = f"no writes: {format_duration(end - start)}"
            style.shade(axes, start, end, words, style.VERMILLION)
    return plot


def _finding(entries: Sequence[Entry]) -> str:
    if not entries:
        return "Nothing was changed"
    longest = max(entries, key=lambda entry: entry.seconds)
    failed = [entry for entry in entries if not entry.ok]
    what = style.shortened(longest.what, 60)
    words = f"{len(entries)} {'act' if len(entries) == 1 else 'acts'} in {format_duration(_span(entries))}"
    words += f", {len(failed)} failed" if failed else ""
    return f"{words}; the longest: {what}, {format_duration(longest.seconds)}"


def _explanation(entries: Sequence[Entry], lost: Entry | None) -> str:
    left = len(entries) - _MOST_ROWS
    more = f" {left} shorter ones are not shown." if left > 0 else ""
    kept = (
        " Orange: what was committed then is lost; clients may have written during all that time."
        if lost
        else ""
    )
    began = _begin([lost, *entries] if lost else entries) if entries else None
    return f"0 s is {began.astimezone():%Y-%m-%d %H:%M:%S %Z}.{more}{kept}" if began else ""


def _begin(entries: Sequence[Entry]) -> datetime:
    return min(entry.at for entry in entries).astimezone(UTC)


def _span(entries: Sequence[Entry]) -> float:
    begin = _begin(entries)
    return max((entry.at - begin).total_seconds() + entry.seconds for entry in entries)


def _bars(axes: Axes, shown: Sequence[Entry], lost: Entry | None) -> None:
    begin, whole = _begin(shown), max(_span(shown), 0.001)
    for index, entry in enumerate(shown):
        start = (entry.at - begin).total_seconds()
        length = max(entry.seconds, whole * _THINNEST)
        colour = style.ORANGE if entry is lost else style.BLUE if entry.ok else style.VERMILLION
        axes.barh(index, length, left=start, height=0.6, color=colour, alpha=0.85, lw=0, zorder=2)
        told = entry is lost or not entry.ok
        words = format_duration(entry.seconds) + (f"  {style.shortened(entry.result, 40)}" if told else "")
        _label(axes, style.drawable(words), index, start / whole, length / whole, whole, ok=entry.ok)
    axes.set_yticks(range(len(shown)), [style.drawable(style.shortened(e.what, _NAME_LIMIT)) for e in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, whole * 1.02)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelcolor=style.INK)
    style.seconds_axis(axes.xaxis, whole)


def _label(
    axes: Axes, words: str, index: int, start: float, length: float, whole: float, *, ok: bool
) -> None:
    """Write a bar's length behind it, in it, or before it, where there is room. Shares of the whole."""
    colour, edge, offset, align = style.DIM if ok else style.VERMILLION, start + length, 5, "left"
    if start + length > 0.75:
        inside = length > 0.5
        edge, offset, align = (start + length if inside else start), -5, "right"
        colour = style.PAPER if inside else colour
    axes.annotate(
        words,
        (edge * whole, index),
        xytext=(offset, 0),
        textcoords="offset points",
        ha=align,
        va="center",
        fontsize=9,
        color=colour,
    )
