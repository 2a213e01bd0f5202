"""Display of values: tables and diffs, as HTML in a notebook and as text in a terminal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Literal, Protocol, runtime_checkable

from pgnb.core.secrecy import masked

Tone = Literal["", "good", "bad", "warn", "dim"]

_COLOURS: Mapping[str, str] = {
    "good": "color:#1a7f37",
    "bad": "color:#cf222e;font-weight:600",
    "warn": "color:#9a6700",
    "dim": "opacity:.6",
}
_CELL = "text-align:left;vertical-align:top;padding:2px 10px;white-space:pre-wrap"
_BINARY_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


@runtime_checkable
class SupportsHtml(Protocol):
    """A value that a cell may end with."""

    def _repr_html_(self) -> str: ...


def format_value(value: object) -> str:
    """Return a value as text for a reader: no `None`, no microseconds, PostgreSQL's on and off."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, timedelta):
        return format_duration(value.total_seconds())
    return masked(str(value))


def format_bytes(count: int | float | None) -> str:
    """Return a size in PostgreSQL's units (1 kB is 1024 bytes)."""
    if count is None:
        return "–"
    size, unit = float(count), _BINARY_UNITS[0]
    for unit in _BINARY_UNITS:
        if abs(size) < 1024 or unit == _BINARY_UNITS[-1]:
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def format_duration(seconds: float | None) -> str:
    """Return a duration in the unit that fits it."""
    if seconds is None:
        return "–"
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    if abs(seconds) < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def format_table(schema: str, name: str) -> str:
    """Return a table's name for a reader; the schema public is left out."""
    return name if schema == "public" else f"{schema}.{name}"


@dataclass(frozen=True)
class Cell:
    """A table's cell with a tone, which shows the meaning of the text by its colour."""

    text: str
    tone: Tone = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """Rows under named columns, with a title above and a note below."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    title: str = ""
    note: str = ""

    @classmethod
    def of(
        cls, columns: Iterable[str], rows: Iterable[Sequence[object]], *, title: str = "", note: str = ""
    ) -> Table:
        """Return a table of any iterables."""
        return cls(tuple(columns), tuple(tuple(row) for row in rows), title, note)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        from tabulate import (
            tabulate,
        )  # Imported here because it takes 0.1 s to load and most runs show no text.

        body = [[format_value(value) for value in row] for row in self.rows]
        grid = tabulate(body, headers=self.columns, tablefmt="simple", disable_numparse=True) if body else ""
        return "\n".join(part for part in (masked(self.title), grid, masked(self.note)) if part)

    def _repr_html_(self) -> str:
        head = "".join(f'<th style="{_CELL}">{escape(name)}</th>' for name in self.columns)
        body = "".join(f"<tr>{''.join(_html_cell(value) for value in row)}</tr>" for row in self.rows)
        title = f"<div><b>{escape(masked(self.title))}</b></div>" if self.title else ""
        style = f"{_COLOURS['dim']};white-space:pre-line"
        note = f'<div style="{style}">{escape(masked(self.note))}</div>' if self.note else ""
        grid = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if self.columns else ""
        return f"{title}{grid}{note}"

    __repr__ = __str__


class Displayable:
    """Base of values that are displayed as their `table`; as a dataclass use repr=False."""

    @property
    def table(self) -> Table:
        """The table that is displayed."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def __str__(self) -> str:
        return str(self.table)

    def __repr__(self) -> str:
        return str(self)


def _html_cell(value: object) -> str:
    colour = f"{_COLOURS.get(value.tone, '')};white-space:nowrap" if isinstance(value, Cell) else ""
    return f'<td style="{_CELL};{colour}">{escape(format_value(value))}</td>'


def key_value_table(title: str, pairs: Mapping[str, object], *, note: str = "") -> Table:
    """Return a table with one fact a line."""
    return Table.of((title, ""), pairs.items(), note=note)


def diff_text(before: str, after: str, name: str = "") -> str:
    """Return a unified diff; "" if nothing differs."""
    now, then = masked(before).splitlines(), masked(after).splitlines()
    lines = difflib.unified_diff(now, then, f"{name} (now)", f"{name} (desired)", lineterm="")
    return "\n".join(lines)


def diff_html(diff: str) -> str:
    """Return a unified diff with its additions and removals coloured."""
    tones = {"+": "good", "-": "bad", "@": "dim"}
    lines = (
        f'<span style="{_COLOURS.get(tones.get(line[:1], ""), "")};font-weight:400">{escape(line)}</span>'
        for line in diff.splitlines()
    )
    return f'<pre style="margin:0;font-family:monospace">{chr(10).join(lines)}</pre>'
