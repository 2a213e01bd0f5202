"""The style of all plots: colours, fonts, titles, units, and how a figure is displayed.

The colours are those of Okabe and Ito, which colour-blind readers can tell apart; whatever a colour says, a
text or a shape says, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

from matplotlib import font_manager, rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pgnb.core.display import format_bytes

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE = "#56B4E9", "#CC79A7"
AMBER = "#9a6700"
"""An orange that is legible as text."""
INK, DIM, FAINT, PAPER = "#1f2328", "#59636e", "#d1d9e0", "#ffffff"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION)

WIDTH = 10.0
"""Inches."""
_DPI = 96
_FAR = 4
"""A threshold so many times above the axis would make the data too small."""
_SHARPNESS = 2
"""Pixels of the PNG for one pixel on the page, for a dense screen."""
_QUANTITY = re.compile(r"(\d) (s|ms|min|h|[kMGTP]?B)\b")

_JAPANESE_FONTS = ("Noto Sans CJK JP", "Noto Sans JP", "IPAexGothic", "IPAGothic", "TakaoGothic", "VL Gothic")
_OTHER_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK KR", "WenQuanYi Zen Hei", "Noto Sans Symbols 2")

_RULES: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.facecolor": PAPER,
    "axes.grid": True,
    "axes.labelcolor": DIM,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "figure.dpi": _DPI,
    "figure.facecolor": PAPER,
    "font.size": 10,
    "grid.color": "#eaeef2",
    "hatch.color": PAPER,
    "hatch.linewidth": 0.8,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
    "savefig.facecolor": PAPER,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": DIM,
    "xtick.labelsize": 9,
    "ytick.color": DIM,
    "ytick.labelsize": 9,
}


class Plot(Figure):
    """A figure that a notebook shows without pyplot, and its finding as text where there are no pictures."""

    finding: str = ""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=_DPI * _SHARPNESS)
        return buffer.getvalue(), {"width": ceil(self.get_figwidth() * _DPI)}

    def __repr__(self) -> str:
        return f"<plot: {self.finding}>"


@contextmanager
def figure(
    finding: str, explanation: str = "", *, height: float = 4.0, width: float = WIDTH
) -> Iterator[Plot]:
    """Make a figure with a finding as its title, and draw it when the block ends, all in this style."""
    with rc_context({**_RULES, "font.family": list(families())}):
        plot = Plot(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08))
        plot.finding = finding
        title = plot.suptitle("", x=0.01, ha="left", fontsize=13, fontweight="bold")
        _fill(title, finding, plot)
        if explanation:
            _fill(plot.supxlabel("", x=0.01, ha="left", fontsize=9, color=DIM), explanation, plot)
        yield plot
        plot.draw_without_rendering()
        # The layout is final: no need to compute it again for the picture.
        plot.set_layout_engine("none")


def _fill(place: Text, text: str, plot: Plot) -> None:
    """Break a text into lines that fit by measurement, without separating a number from its unit."""
    whole = drawable(_QUANTITY.sub("\\1\u00a0\\2", text))
    room = 0.98 * plot.get_figwidth() * plot.dpi
    columns = max(map(_columns, whole.splitlines()), default=0)
    while True:
        place.set_text("\n".join(piece for line in whole.splitlines() for piece in _pieces(line, columns)))
        taken = place.get_window_extent().width
        if taken <= room or columns <= 1:
            return
        # The widest line decides; each step is at least one column, so that the loop ends.
        columns = min(columns - 1, int(columns * room / taken) + 1)


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a text, in inches, in the plots' fonts at that size."""
    with rc_context({"font.family": list(families())}):
        plot = Plot()
        drawn = plot.text(0, 0, drawable(text), fontsize=size, fontweight="bold" if bold else "normal")
        return float(drawn.get_window_extent().width / plot.dpi)


def fitted(text: str, inches: float, size: float, *, bold: bool = False) -> str:
    """Return the text if it fits, else with a part of its middle removed."""
    shown, limit = text, _columns(text)
    while limit > 1 and (taken := width_of(shown, size, bold=bold)) > inches:
        limit = max(1, min(limit - 1, int(limit * inches / taken)))
        shown = shortened(text, limit)
    return shown


def _pieces(line: str, columns: int) -> Iterator[str]:
    piece = ""
    for word in line.split(" "):
        longer = f"{piece} {word}" if piece else word
        if _columns(longer) <= columns:
            piece = longer
            continue
        if piece:
            yield piece
        while _columns(word) > columns:
            head = next(n for n in range(len(word), 0, -1) if _columns(word[:n]) <= columns)
            yield word[:head]
            word = word[head:]
        piece = word
    yield piece


@cache
def families() -> tuple[str, ...]:
    """Return font families in the order in which a letter is searched.

    Japanese comes from a font of the system, and without one, as in most containers, from IPAexGothic of the
    package matplotlib-fontja.
    """
    known = {entry.name for entry in font_manager.fontManager.ttflist}
    japanese = [name for name in _JAPANESE_FONTS if name in known] or _bundled_japanese()
    chosen = (*japanese[:1], *(name for name in _OTHER_FONTS if name in known))
    for name in chosen:
        _assert_bold(name)
    return ("DejaVu Sans", *chosen)


def _assert_bold(name: str) -> None:
    """Register a font without a bold face as its own bold one.

    Otherwise matplotlib would warn in every notebook.
    """
    faces = [entry for entry in font_manager.fontManager.ttflist if entry.name == name]
    if not any(entry.weight in ("bold", 700) for entry in faces):
        font_manager.fontManager.ttflist.append(replace(faces[0], weight=700))


def _bundled_japanese() -> list[str]:
    # Not imported, because importing the package changes matplotlib's settings for everybody.
    spec = find_spec("matplotlib_fontja")
    if spec is None or not spec.submodule_search_locations:
        return []
    path = Path(spec.submodule_search_locations[0]) / "fonts" / "ipaexg.ttf"
    font_manager.fontManager.addfont(path)
    return [font_manager.FontProperties(fname=path).get_name()]


@cache
def _letters() -> frozenset[int]:
    """Return the code points that the fonts can draw."""
    paths = [font_manager.findfont(name, fallback_to_default=False) for name in families()]
    return frozenset(point for path in paths for point in FT2Font(path).get_charmap())


def drawable(text: str) -> str:
    """Return the text with letters that no font has escaped, so that no empty boxes are drawn."""
    shown = (c if c in "\n" or ord(c) in _letters() else f"\\u{{{ord(c):x}}}" for c in text)
    return "".join(shown)


def shortened(text: str, limit: int) -> str:
    """Return a name that fits, shortened in the middle, because names differ at their ends.

    Wide letters count twice.
    """
    if _columns(text) <= limit:
        return text
    head, tail = text[: len(text) // 2], text[len(text) // 2 :]
    while _columns(head) + _columns(tail) + 1 > limit:
        head, tail = (head[:-1], tail) if _columns(head) >= _columns(tail) else (head, tail[1:])
    return f"{head}…{tail}"


def _columns(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def bytes_axis(axes: Axes, top: float) -> None:
    """Label the y axis in PostgreSQL's units (1 kB is 1024 bytes), from 0 to at least `top`."""
    axes.set_ylim(0, max(top * 1.18, 1024.0))
    bytes_along(axes.yaxis, top)


def bytes_along(axis: Axis, top: float) -> None:
    """Label an axis in PostgreSQL's units, for values up to `top`."""
    unit = 1.0
    while top >= 2048 * unit:
        unit *= 1024
    axis.set_major_locator(_UnitLocator(unit))
    axis.set_major_formatter(FuncFormatter(lambda value, _: format_bytes(value).replace(".0 ", " ")))


def seconds_axis(axis: Axis, top: float) -> None:
    """Label an axis as durations up to `top` seconds, in a fitting unit."""
    unit, name = next((unit, name) for unit, name, least in _DURATIONS if top >= least)
    axis.set_major_locator(_UnitLocator(unit))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit:g} {name}"))


_DURATIONS = ((3600.0, "h", 7200.0), (60.0, "min", 240.0), (1.0, "s", 1.0), (0.001, "ms", 0.0))


class _UnitLocator(MaxNLocator):
    """Locate ticks at round numbers of a unit (MB, minutes)."""

    def __init__(self, unit: float) -> None:
        self.unit = unit
        super().__init__(nbins=6, steps=[1, 2, 4, 5, 8, 10])

    def tick_values(self, vmin: float, vmax: float) -> Any:
        return [tick * self.unit for tick in super().tick_values(vmin / self.unit, vmax / self.unit)]


def shade(
    axes: Axes, start: float, end: float, label: str, colour: str = DIM, *, alarm: bool = False
) -> None:
    """Mark a span of time behind the data, with its name above it; an alarm is hatched, and higher.

    Only the part within the axes' limits is marked.
    """
    low, high = axes.get_xlim()
    start, end = max(start, low), min(end, high)
    if start > end:
        return
    axes.axvspan(
        start, end, facecolor=colour, alpha=0.18 if alarm else 0.09, hatch="//" if alarm else None, lw=0
    )
    if label:
        axes.annotate(
            drawable(label),
            ((start + end) / 2, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 16 if alarm else 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9,
            color=colour,
            fontweight="bold" if alarm else "normal",
            annotation_clip=False,
        )


def note(axes: Axes, text: str, at: float, value: float, colour: str = INK) -> None:
    """Label a point above it, and away from the edge that is near."""
    low, high = axes.get_xlim()
    place = (at - low) / (high - low) if high > low else 0.5
    axes.annotate(
        drawable(text),
        (at, value),
        xytext=(0, 4),
        textcoords="offset points",
        va="bottom",
        fontsize=9,
        ha="right" if place > 0.8 else "left" if place < 0.1 else "center",
        fontweight="bold",
        color=colour,
    )


def threshold(axes: Axes, value: float, label: str) -> None:
    """Draw a labelled dashed line; a threshold far above the data is only named."""
    low, high = axes.get_ylim()
    far = value > _FAR * high
    if not far:
        axes.set_ylim(low, max(high, value * 1.15))
        axes.axhline(value, color=VERMILLION, ls=(0, (5, 3)), lw=1.2)
    axes.annotate(
        drawable(f"↑ {label}" if far else label),
        (1, 1 if far else value),
        xycoords="axes fraction" if far else ("axes fraction", "data"),
        xytext=(-4, -3 if far else 3),
        textcoords="offset points",
        ha="right",
        va="top" if far else "bottom",
        fontsize=9,
        color=VERMILLION,
    )


def say(axes: Axes, text: str) -> None:
    """Write into empty axes why they are empty."""
    axes.set_axis_off()
    axes.text(
        0.5, 0.5, drawable(text), transform=axes.transAxes, ha="center", va="center", fontsize=12, color=DIM
    )


def thinned(count: int, most: int = 2000) -> Sequence[slice]:
    """Return slices that cut `count` values into at most `most` pieces.

    A plot draws the largest value of each.
    """
    size = max(1, ceil(count / most))
    return [slice(start, start + size) for start in range(0, count, size)]
