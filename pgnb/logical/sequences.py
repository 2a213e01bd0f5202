"""Sequences at a cut-over: they are not replicated, so the first insert would use an existing key.

With a publisher each gets the publisher's value with its is_called. Without one the value is unknown: then it
is set beyond the largest value in the columns that use it, by a margin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import Server, compose

_TOGETHER = 100
Key = tuple[str, str]


@dataclass(frozen=True)
class SequenceState:
    """One sequence: its definition, its value, and the columns (quoted) that use it."""

    schema: str
    name: str
    quoted: str
    increment: int
    start: int
    min_value: int
    max_value: int
    columns: tuple[tuple[str, str], ...]
    last_value: int
    is_called: bool

    @property
    def last_returned(self) -> int:
        """The last value that it returned; one increment before the first if it returned none."""
        return self.last_value if self.is_called else self.last_value - self.increment

    @property
    def end(self) -> str:
        """The aggregate that finds the furthest of its values."""
        return "max" if self.increment > 0 else "min"

    def behind(self, value: int) -> bool:
        """Return whether it could still return `value`, or one before it."""
        return (value - self.last_returned) * self.increment > 0

    def clamped(self, value: int) -> int:
        """Return the value within the sequence's bounds."""
        return min(max(value, self.min_value), self.max_value)


@dataclass(frozen=True)
class SequenceAdvance:
    """A sequence of the subscriber that is behind, and its new value."""

    sequence: SequenceState
    last_value: int
    is_called: bool

    @property
    def summary(self) -> str:
        """The old and the new value."""
        called = "" if self.is_called else " (not called)"
        one = self.sequence
        return f"{one.schema}.{one.name}: {one.last_value} → {self.last_value}{called}"


def read_sequences(server: Server, database: str) -> dict[Key, SequenceState]:
    """Read every sequence of a database by (schema, name). Source: pg_sequence, and the sequences.

    Raises QueryFailed for one that may not be read, because its value would be missing without an error.
    """
    rows = list(server.query("logical/sequences", database=database))
    found: dict[Key, SequenceState] = {}
    for begin in range(0, len(rows), _TOGETHER):
        some = rows[begin : begin + _TOGETHER]
        parts = [
            f"SELECT {n} AS number, last_value, is_called FROM {r['quoted']}" for n, r in enumerate(some)
        ]
        for value in server.query(" UNION ALL ".join(parts), database=database):
            row = some[value.pop("number")]
            found[row["schema"], row["name"]] = _made(row, value)
    return found


def _made(row: Mapping[str, Any], value: Mapping[str, Any]) -> SequenceState:
    columns = tuple((table, column) for table, column in row["columns"])
    return SequenceState(**{**row, "columns": columns}, **value)


def advances_from_publisher(
    publisher: Server, subscriber: Server, spec: DatabaseSpec
) -> tuple[SequenceAdvance, ...]:
    """Return the subscriber's sequences that are behind the publisher's; one that is ahead is left."""
    there = read_sequences(subscriber, spec.database)
    here = read_sequences(publisher, spec.database)
    pairs = [(there[key], one) for key, one in here.items() if key in there]
    return tuple(
        SequenceAdvance(mine, one.last_value, one.is_called)
        for mine, one in pairs
        if mine.behind(one.last_returned)
    )


def missing_sequences(publisher: Server, subscriber: Server, spec: DatabaseSpec) -> tuple[str, ...]:
    """Return the publisher's sequences that the subscriber lacks."""
    there = read_sequences(subscriber, spec.database)
    return tuple(".".join(key) for key in read_sequences(publisher, spec.database) if key not in there)


def advances_from_rows(subscriber: Server, spec: DatabaseSpec, margin: int) -> tuple[SequenceAdvance, ...]:
    """Return the subscriber's sequences that are not `margin` values beyond what their columns hold.

    With margin 0: those whose next value may exist already. A sequence that no column uses is left out: see
    `sequences_without_column`.
    """
    fed = [one for one in read_sequences(subscriber, spec.database).values() if one.columns]
    advances = []
    for one, furthest in zip(fed, _furthest(subscriber, spec.database, fed), strict=True):
        before_first = one.start - one.increment
        base = before_first if furthest is None or (before_first - furthest) * one.increment > 0 else furthest
        desired = one.clamped(base + margin * one.increment)
        if (furthest is not None or margin) and one.behind(desired):
            advances.append(SequenceAdvance(one, desired, True))
    return tuple(advances)


def sequences_without_column(subscriber: Server, database: str) -> tuple[str, ...]:
    """Return the sequences that no column of whole numbers uses: their last value is unknown."""
    return tuple(
        f"{one.schema}.{one.name}" for one in read_sequences(subscriber, database).values() if not one.columns
    )


def set_sequences(subscriber: Server, spec: DatabaseSpec, advances: Sequence[SequenceAdvance]) -> int:
    """Set each, journalled; return how many."""
    for advance in advances:
        subscriber.execute(
            compose(
                "SELECT pg_catalog.setval({}::regclass, {}, {})",
                advance.sequence.quoted,
                advance.last_value,
                advance.is_called,
            ),
            database=spec.database,
            what=f"{spec.database}: setval {advance.summary}",
        )
    return len(advances)


def _furthest(server: Server, database: str, fed: Sequence[SequenceState]) -> list[int | None]:
    """Return, for each, the largest value (descending: the smallest) in its columns; None without rows."""
    found: list[list[int]] = [[] for _ in fed]
    parts = [
        f"SELECT {n} AS number, {one.end}({column})::numeric AS value FROM {table}"
        for n, one in enumerate(fed)
        for table, column in one.columns
    ]
    with server.new_session(database, statement_timeout=0) as session:
        for begin in range(0, len(parts), _TOGETHER):
            for row in session.query(" UNION ALL ".join(parts[begin : begin + _TOGETHER])):
                if row["value"] is not None:
                    found[row["number"]].append(int(row["value"]))
    ends = zip(fed, found, strict=True)
    return [(max if one.end == "max" else min)(values, default=None) for one, values in ends]
