"""Row counts of both sides: tables that differ are at the top, in red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pgnb.observe.comparison import Comparison, Sides, TableCount
from pgnb.observe.plots import style

_MOST_ROWS = 30
_NAME_LIMIT = 38
_LINEAR_UP_TO = 50
"""If the largest table has more than so many times the rows of the smallest, the scale is logarithmic."""
_PRIMARY, _FAULT, _UNREAD = style.BLUE, style.VERMILLION, style.DIM


@dataclass(frozen=True)
class _Row:
    """A line of the plot: one table, or the other tables of a database together."""

    label: str
    primary: tuple[int, int]
    standby: int
    summary: str
    colour: str
    fault: bool = False


def counts(comparison: Comparison) -> style.Plot:
    """Plot each table's rows as a bar for the primary and a mark for the standby; red if they differ.

    Up to 30 tables have a line of their own: those that differ, then the largest. The others are summed up, a
    line for each database.
    """
    rows = _rows(comparison)
    with style.figure(
        comparison.finding, _explanation(comparison), height=1.6 + 0.3 * max(2, len(rows))
    ) as plot:
        axes = plot.subplots()
        if not rows:
            style.say(axes, "no table was found, or none could be read")
            return plot
        _draw(axes, rows)
        _scale(axes, rows)
        _legend(axes, rows, comparison.sides)
    return plot


def _explanation(comparison: Comparison) -> str:
    if comparison.exact:
        at = ", ".join(f"{state.database} at {state.lsn}" for state in comparison.states[:4])
        more = f" and {len(comparison.states) - 4} more" if len(comparison.states) > 4 else ""
        return f"Both sides were counted in the same state of the WAL: {at}{more}." if at else ""
    return comparison.sides.say(
        "Clients wrote without a pause: the standby was counted between two counts of the"
        " primary, which are the bar's dark and light ends."
    )


def _rows(comparison: Comparison) -> list[_Row]:
    different = comparison.different
    wrong = set(different)
    rest = [table for table in comparison.tables if table not in wrong]
    largest = sorted(rest, key=lambda table: -(table.standby or 0))
    shown = [*different, *largest][:_MOST_ROWS]
    several = len(comparison.states) > 1
    rows = [_row(table, several, comparison.sides) for table in shown]
    chosen = set(shown)
    for state in comparison.states:
        others = [t for t in comparison.tables if t.database == state.database and t not in chosen]
        rows += [_summed(state.database, others)] if others else []
    return rows


def _row(table: TableCount, several: bool, sides: Sides) -> _Row:
    name = f"{table.database}: {table.name}" if several else table.name
    label = style.drawable(style.shortened(name, _NAME_LIMIT))
    bounds, standby = table.bounds or (0, 0), table.standby or 0
    if table.unreadable:
        return _Row(label, (0, 0), 0, "not readable for the login", _UNREAD)
    if table.ok:
        return _Row(label, bounds, standby, f"{standby:,}", style.INK)
    what = {"only on the primary": "not on the standby", "only on the standby": "not on the primary"}
    words = sides.say(what[table.verdict]) if table.verdict in what else f"{table.difference:+,}"
    return _Row(label, bounds, standby, f"{words} ({standby:,} of {bounds[1]:,})", _FAULT, fault=True)


def _summed(database: str, tables: Sequence[TableCount]) -> _Row:
    low = sum(table.bounds[0] for table in tables if table.bounds)
    high = sum(table.bounds[1] for table in tables if table.bounds)
    standby = sum(table.standby or 0 for table in tables)
    wrong = sum(not table.ok and not table.unreadable for table in tables)
    unread = sum(table.unreadable for table in tables)
    words = f"{standby:,}; {wrong:,} of them differ" if wrong else f"{standby:,}"
    words += f"; {unread:,} not readable" if unread else ""
    label = style.drawable(style.shortened(f"{database}: {len(tables):,} more", _NAME_LIMIT))
    return _Row(label, (low, high), standby, words, _FAULT if wrong else style.INK, fault=bool(wrong))


def _draw(axes: Axes, rows: Sequence[_Row]) -> None:
    for index, row in enumerate(rows):
        low, high = row.primary
        colour = _FAULT if row.fault else _PRIMARY
        axes.barh(index, high, height=0.62, color=colour, alpha=0.25, lw=0)
        axes.barh(index, low, height=0.62, color=colour, alpha=0.35, lw=0)
        if row.colour != _UNREAD:
            axes.plot([row.standby] * 2, [index - 0.38, index + 0.38], color=colour, lw=2.6, zorder=3)
        axes.annotate(
            style.drawable(row.summary),
            (max(high, row.standby), index),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=row.colour,
            fontweight="bold" if row.fault else "normal",
        )
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_color(_FAULT if row.fault else style.INK)
        tick.set_fontweight("bold" if row.fault else "normal")
    axes.set_ylim(len(rows) - 0.4, -0.6)


def _scale(axes: Axes, rows: Sequence[_Row]) -> None:
    values = [value for row in rows for value in (*row.primary, row.standby)]
    top, least = max(values), min((value for value in values if value), default=1)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    if top > _LINEAR_UP_TO * least:
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(0, top**1.45)
        axes.set_xlabel("rows (logarithmic: one step is ten times as many)")
        powers = [10**exponent for exponent in range(len(str(top)))]
        axes.set_xticks([0, *powers], ["0", *map(_compact, powers)])
        axes.minorticks_off()
        return
    axes.set_xlim(0, max(top, 1) * 1.35)
    axes.set_xlabel("rows")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value == int(value) else "")


def _compact(power: int) -> str:
    """Return a power of ten as a short text: 100k, 1M."""
    for unit, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if power >= unit:
            return f"{power // unit}{letter}"
    return str(power)


def _legend(axes: Axes, rows: Sequence[_Row], sides: Sides) -> None:
    handles = [
        Patch(facecolor=_PRIMARY, alpha=0.5, label=f"rows on the {sides.first}"),
        Line2D(
            [],
            [],
            color=_PRIMARY,
            lw=2.6,
            marker="|",
            ms=9,
            ls="",
            mew=2.6,
            label=f"rows on the {sides.second}",
        ),
    ]
    if any(row.fault for row in rows):
        handles.append(Patch(facecolor=_FAULT, alpha=0.5, label="differs"))
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2)
