"""The topology as a picture: who sends to whom, how far behind, which slots keep WAL, and problems."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from pgnb.core.display import format_bytes, format_duration
from pgnb.observe.plots import style
from pgnb.observe.topology import Link, Node, Topology

_BOX_WIDTH, _BOX_HEIGHT = 3.1, 1.3
_COLUMN, _ROW = 6.9, 1.75
_INCH = 1.02
"""Units of the drawing per inch: boxes are as large as their text, however many there are."""
_BEND = 0.35
"""Units after which an arrow bends to the row of its target."""
_INSIDE = (_BOX_WIDTH - 0.24) / _INCH
"""Inches for a text in a box."""
_TROUBLE_LIMIT = 38
_SLOT_LIMIT = 18
"""Letters of a slot's name from which its size is written on a line of its own."""
_POD = re.compile(r"(?P<workload>.+)-(?P<rest>[bcdfghjklmnpqrstvwxz0-9]{6,10}-[bcdfghjklmnpqrstvwxz0-9]{5})")
"""A Deployment's pod: its workload's name, and a hash and a suffix, which Kubernetes makes without vowels."""
_ROLES: Mapping[str, str] = {"primary": style.BLUE, "standby": style.GREEN}
Place = tuple[float, float]


@dataclass(frozen=True)
class _Stub:
    """The end of a link that is none of the servers: an unknown client, or nobody."""

    title: str
    summary: str


def topology(seen: Topology) -> style.Plot:
    """Plot servers as boxes, from the primary to the right; unused slots and unknown clients are dashed."""
    columns = _columns(seen)
    stubs = [(link, _stub(link)) for link in seen.links if not link.target]
    rows = max(
        1, *(len(column) for column in columns), len(stubs) + (len(columns[1]) if len(columns) > 1 else 0)
    )
    width = max(2, len(columns))
    size = {"height": 0.9 + rows * _ROW / _INCH, "width": ((width - 1) * _COLUMN + _BOX_WIDTH) / _INCH + 0.2}
    with style.figure(seen.finding, _explanation(seen), **size) as plot:
        axes = plot.subplots()
        axes.set_axis_off()
        axes.set_xlim(-0.1, (width - 1) * _COLUMN + _BOX_WIDTH + 0.1)
        axes.set_ylim(-(rows - 1) * _ROW - _BOX_HEIGHT / 2 - 0.1, _BOX_HEIGHT / 2 + 0.1)
        if not seen.nodes:
            style.say(axes, "no server was looked for")
            return plot
        places = _places(columns, rows)
        for node in seen.nodes:
            _box(axes, places[node.name], node, alarm=node in seen.primaries and len(seen.primaries) > 1)
        for link in seen.links:
            if link.target:
                _arrow(axes, places[link.source], places[link.target], link)
        first_free = len(columns[1]) if len(columns) > 1 else 0
        for index, (link, stub) in enumerate(stubs):
            place = (_COLUMN, -(first_free + index) * _ROW)
            _dashed(axes, place, stub)
            _arrow(axes, places[link.source], place, link)
    return plot


def _explanation(seen: Topology) -> str:
    more = "; ".join(seen.troubles[1:4])
    return f"{seen.place}. An arrow is WAL on its way.{' Also: ' + more if more else ''}"


def _columns(seen: Topology) -> list[list[Node]]:
    """Return nodes by distance from a primary; a standby that nobody sends to is in the second column."""
    depth = {node.name: 0 if node.role == "primary" else 1 for node in seen.nodes}
    for _ in seen.nodes:
        for link in seen.links:
            if link.target and depth[link.source] < len(seen.nodes):
                depth[link.target] = max(depth[link.target], depth[link.source] + 1)
    used = sorted(set(depth.values())) or [0]
    if used[0] != 0:
        used = [0, *used]
    return [[node for node in seen.nodes if depth[node.name] == level] for level in used]


def _places(columns: Sequence[Sequence[Node]], rows: int) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for column, nodes in enumerate(columns):
        top = (rows - len(nodes)) / 2 if column == 0 else 0.0
        for row, node in enumerate(nodes):
            places[node.name] = (column * _COLUMN, -(top + row) * _ROW)
    return places


def _box(axes: Axes, place: Place, node: Node, *, alarm: bool) -> None:
    if not node.there:
        _dashed(
            axes,
            place,
            _Stub(_names(node)[0], f"{node.role}\n{_two_lines(node.trouble)}"),
        )
        return
    colour = style.VERMILLION if node.trouble or alarm else _ROLES[node.role]
    _outline(axes, place, colour, "-", 0.10)
    x, y = place
    axes.text(x + 0.12, y + 0.42, node.role.upper(), fontsize=9, fontweight="bold", color=colour, va="center")
    axes.text(
        x + _BOX_WIDTH - 0.12,
        y + 0.42,
        f"timeline {node.timeline or '?'}",
        fontsize=9,
        color=style.DIM,
        va="center",
        ha="right",
    )
    name, rest = _names(node)
    name = style.drawable(style.fitted(name, _INSIDE, 10, bold=True))
    axes.text(x + 0.12, y + 0.08, name, fontsize=10, fontweight="bold", va="center")
    parts = (
        f"pod …-{rest}" if rest else "",
        " · ".join(filter(None, (f"PostgreSQL {node.version}", node.host))),
    )
    for line, down in zip(filter(None, parts), (0.2, 0.46), strict=False):
        text = style.drawable(style.fitted(line, _INSIDE, 9))
        axes.text(x + 0.12, y - down, text, fontsize=9, color=style.DIM, va="center")


def _names(node: Node) -> tuple[str, str]:
    """Return the workload's name and the rest of the pod's name; for other nodes the whole name."""
    name = node.name.removeprefix("pod/")
    match = _POD.fullmatch(name)
    return (match["workload"], match["rest"]) if match else (name, "")


def _dashed(axes: Axes, place: Place, stub: _Stub) -> None:
    _outline(axes, place, style.DIM, (0, (4, 3)), 0.0)
    x, y = place
    axes.text(
        x + 0.12,
        y + 0.3,
        style.drawable(style.fitted(stub.title, _INSIDE, 10, bold=True)),
        fontsize=10,
        fontweight="bold",
        color=style.DIM,
        va="center",
    )
    axes.text(x + 0.12, y - 0.2, style.drawable(stub.summary), fontsize=9, color=style.DIM, va="center")


def _two_lines(text: str) -> str:
    return "\n".join(wrap(text, _TROUBLE_LIMIT, max_lines=2, placeholder=" …"))


def _outline(axes: Axes, place: Place, colour: str, dashes: Any, fill: float) -> None:
    x, y = place
    for alpha, edge, face in ((1.0, colour, "none"), (fill, "none", colour)):
        axes.add_patch(
            FancyBboxPatch(
                (x, y - _BOX_HEIGHT / 2),
                _BOX_WIDTH,
                _BOX_HEIGHT,
                boxstyle="round,pad=0,rounding_size=0.12",
                linewidth=1.6,
                edgecolor=edge,
                facecolor=face,
                alpha=alpha,
                linestyle=dashes,
            )
        )


def _stub(link: Link) -> _Stub:
    if link.unused_slot:
        return _Stub("nobody", "no server uses this slot")
    return _Stub(link.application_name or "unknown client", f"at {link.client}")


def _arrow(axes: Axes, start: Place, end: Place, link: Link) -> None:
    """Draw an arrow between boxes, with the flow above the line and the slot below it."""
    wrong = link.unused_slot or link.wal_status in ("unreserved", "lost")
    colour = style.VERMILLION if wrong else style.INK if link.streaming else style.AMBER
    x0, y0, x1, y1 = start[0] + _BOX_WIDTH, start[1], end[0], end[1]
    bend = x0 + _BEND
    dashes: Any = "-" if link.state else (0, (4, 3))
    axes.plot([x0, bend, bend], [y0, y0, y1], color=colour, lw=1.6, ls=dashes, solid_joinstyle="round")
    axes.add_patch(
        FancyArrowPatch(
            (bend, y1),
            (x1, y1),
            arrowstyle="-|>",
            mutation_scale=14,
            shrinkA=0,
            shrinkB=2,
            color=colour,
            linewidth=1.6,
            linestyle=dashes,
        )
    )
    at = ((bend + x1) / 2, y1)
    above, below = _labels(link)
    for text, offset, side in ((above, 4, "bottom"), (below, -4, "top")):
        axes.annotate(
            style.drawable(text),
            at,
            xytext=(0, offset),
            textcoords="offset points",
            ha="center",
            va=side,
            fontsize=9,
            color=colour,
        )


def _labels(link: Link) -> tuple[str, str]:
    long = len(link.slot) > _SLOT_LIMIT
    kept = (
        f"slot {style.shortened(link.slot, 40)}{chr(10) if long else ' '}keeps {format_bytes(link.retained)}"
    )
    kept += f", {link.wal_status}" if link.wal_status not in ("", "reserved") else ""
    if link.unused_slot:
        return "unused", kept
    lag = "idle" if link.seconds is None else format_duration(link.seconds)
    flow = f"{link.application_name} · " if link.target and link.application_name else ""
    flow += f"{link.state} {link.sync_state}\n{format_bytes(link.behind)} behind, {lag}"
    return flow, kept if link.slot else "no slot"
