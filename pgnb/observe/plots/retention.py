"""WAL that slots keep, as bars beside the cap and the volume, with what the next hours may add."""

from __future__ import annotations

from matplotlib.axes import Axes

from pgnb.core.display import format_bytes, format_duration
from pgnb.observe.plots import style
from pgnb.observe.retention import Retention, SlotRetention, about

_FAR = 4
"""A limit so many times beyond the nearest one is listed, not drawn, because the bars would be too small."""
_NAME_LIMIT = 28
_PATCH = {"boxstyle": "square,pad=0.1", "facecolor": style.PAPER, "edgecolor": "none", "alpha": 0.85}
"""Text background that keeps labels legible on top of lines."""


def retention(measured: Retention, *, hours: float = 24.0) -> style.Plot:
    """Plot a bar for each slot: what it keeps now and, lighter, what `hours` more add at the present rate.

    Lines mark the cap (max_slot_wal_keep_size), where the slot is lost, and where the volume is full.
    """
    slots = [slot for slot in measured.slots if slot.retained is not None]
    with style.figure(
        measured.finding, _explanation(measured, hours), height=2.4 + 0.55 * max(1, len(slots))
    ) as plot:
        axes = plot.subplots()
        if not slots:
            style.say(axes, "no slot keeps WAL")
            return plot
        top = _top(measured, slots, hours)
        _bars(axes, measured, slots, hours, top)
        _scale(axes, top)
        _limits(axes, measured, top)
    return plot


def _explanation(measured: Retention, hours: float) -> str:
    rate = f"{format_bytes(measured.rate)}/s"
    return (
        f"{measured.server}. Solid: kept now. Light: what {hours:g} h without its standby would add at {rate}"
        f" (measured for {format_duration(measured.seconds)})."
    )


def _known(measured: Retention) -> list[tuple[float, str, str]]:
    """Return the known limits in order: bytes, text, colour."""
    limits = [
        (measured.cap, "cap: the slot may be lost", style.VERMILLION),
        (measured.full_at, "volume full: the primary stops", style.INK),
    ]
    return sorted((float(size), words, colour) for size, words, colour in limits if size is not None)


def _top(measured: Retention, slots: list[SlotRetention], hours: float) -> float:
    """Return the end of the axis: every bar, and every limit that is not far beyond the nearest one."""
    most = max(float(slot.retained or 0) for slot in slots)
    limits = [size for size, _, _ in _known(measured)]
    near = [size for size in limits if size <= _FAR * max(limits[0], most)]
    grown = most + measured.rate * hours * 3600
    return float(max([most, *near]) if near else grown or 1024.0) * 1.12


def _bars(axes: Axes, measured: Retention, slots: list[SlotRetention], hours: float, top: float) -> None:
    for index, slot in enumerate(slots):
        kept = float(slot.retained or 0)
        grown = min(kept + measured.rate * hours * 3600, top, max(kept, measured.cap or top))
        colour = style.BLUE if slot.active else style.ORANGE
        axes.barh(index, grown, height=0.5, color=colour, alpha=0.22, lw=0)
        axes.barh(index, max(kept, top * 0.003), height=0.5, color=colour, lw=0)
        axes.annotate(
            style.drawable(_words(measured, slot)),
            (0, index),
            xytext=(4, 15),
            textcoords="offset points",
            va="bottom",
            fontsize=9,
            color=style.INK,
            bbox=_PATCH,
        )
    axes.set_yticks(range(len(slots)), [style.drawable(style.shortened(s.name, _NAME_LIMIT)) for s in slots])
    axes.set_ylim(len(slots) - 0.45, -0.85)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelcolor=style.INK)


def _words(measured: Retention, slot: SlotRetention) -> str:
    state = "active" if slot.active else "INACTIVE"
    status = f", {slot.wal_status}" if slot.wal_status not in (None, "reserved", "extended") else ""
    words = f"{state}{status}: {format_bytes(slot.retained)} kept"
    ends = [
        (taken, what)
        for taken, what in ((measured.until_cap(slot), "cap"), (measured.until_full(slot), "volume full"))
        if taken is not None
    ]
    if slot.wal_status == "lost" or not ends:
        return words
    taken, what = min(ends)
    return f"{words}; {what} in {about(taken)}{' without its standby' if slot.active else ''}"


def _scale(axes: Axes, top: float) -> None:
    axes.set_xlim(0, top)
    style.bytes_along(axes.xaxis, top)
    axes.set_xlabel("WAL kept for the slot")


def _limits(axes: Axes, measured: Retention, top: float) -> None:
    beyond = []
    for size, words, colour in _known(measured):
        if size > top:
            beyond.append(f"{words} at {format_bytes(size)}")
            continue
        axes.axvline(size, color=colour, ls=(0, (5, 3)), lw=1.4)
        axes.annotate(
            style.drawable(f"{words}, {format_bytes(size)}"),
            (size, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=9,
            color=colour,
            annotation_clip=False,
            ha="right" if size > 0.6 * top else "center",
            va="bottom",
        )
    if beyond:
        axes.annotate(
            style.drawable(f"{'; '.join(beyond)} →"),
            (1, 0),
            xycoords="axes fraction",
            xytext=(-4, 4),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=9,
            color=style.DIM,
            bbox=_PATCH,
        )
