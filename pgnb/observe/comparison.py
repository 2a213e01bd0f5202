"""Row counts of a primary and a standby compared, and what a difference means.

While clients write, two counts taken one after the other differ by what was written in between. So a count is
either exact, if both sides are seen in the same state of the WAL, or bounded, if the standby's count is seen
between two of the primary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Displayable, Table, Tone, format_duration, format_table
from pgnb.core.journal import Journal

Verdict = Literal[
    "equal", "within bounds", "differs", "only on the primary", "only on the standby", "unreadable"
]
_TONES: dict[Verdict, Tone] = {"equal": "good", "within bounds": "", "unreadable": "warn"}
_SHOWN_ROWS = 30
"""Tables shown if all are equal; those that differ are always shown."""


@dataclass(frozen=True)
class Sides:
    """The names of the two sides, and what to do if their rows differ."""

    first: str
    second: str
    remedy: str

    def say(self, phrase: str) -> str:
        """Return a text about a primary and a standby with the names of these two sides."""
        return phrase.replace("primary", self.first).replace("standby", self.second)


PHYSICAL = Sides(
    "primary",
    "standby",
    "Compare again; if it stays, the standby is damaged or is not a copy of this primary:"
    " compare the system identifiers, check its log, and take a new base backup.",
)
LOGICAL = Sides(
    "publisher",
    "subscriber",
    "Compare again; if it stays, somebody wrote on the subscriber, or a transaction was"
    " skipped: copy the table again (12.9, remedy = resync).",
)


@dataclass(frozen=True)
class TableCount:
    """One table's rows on both sides. None: no such table, or not readable if `unreadable`.

    `primary_after` is the primary's second count, if the first and the standby's could not be taken in the
    same state.
    """

    database: str
    schema: str
    table: str
    primary: int | None
    standby: int | None
    primary_after: int | None = None
    unreadable: bool = False

    @property
    def name(self) -> str:
        """The table for a reader; the schema public is left out."""
        return format_table(self.schema, self.table)

    @property
    def bounds(self) -> tuple[int, int] | None:
        """The primary's count, from and to, while the standby was counted; None: it had no such table."""
        if self.primary is None:
            return None
        after = self.primary if self.primary_after is None else self.primary_after
        return min(self.primary, after), max(self.primary, after)

    @property
    def difference(self) -> int:
        """Rows that the standby has more (or, negative, fewer) than the primary can account for."""
        low, high = self.bounds or (0, 0)
        standby = self.standby or 0
        return min(0, standby - low) + max(0, standby - high)

    @property
    def verdict(self) -> Verdict:
        """The result of the counts."""
        if self.unreadable:
            return "unreadable"
        if self.bounds is None or self.standby is None:
            return "only on the primary" if self.standby is None else "only on the standby"
        if self.difference:
            return "differs"
        return "equal" if self.bounds[0] == self.bounds[1] else "within bounds"

    @property
    def ok(self) -> bool:
        """Whether the standby has what the primary has."""
        return self.verdict in ("equal", "within bounds")


@dataclass(frozen=True)
class State:
    """The state in which a database was counted: exact at `lsn`, or between two states of the primary.

    `tries` and `seconds` are what it took to find both sides in the same state, or to give up.
    """

    database: str
    lsn: str
    exact: bool
    tries: int
    seconds: float

    def summary(self, sides: Sides = PHYSICAL) -> str:
        """Return the state in a sentence."""
        if self.exact:
            return f"{self.database}: both sides in the same state, at {self.lsn}"
        how = sides.say("so the standby was counted between two counts of the primary")
        return (
            f"{self.database}: written without a pause, {how} (waited"
            f" {format_duration(self.seconds)} for a pause); a table that rows are added to"
            " and removed from may be outside the bounds without an error"
        )


@dataclass(frozen=True, repr=False)
class Comparison(Displayable):
    """The counts of every table of every database, on both sides."""

    primary: str
    standby: str
    tables: tuple[TableCount, ...]
    states: tuple[State, ...]
    left_out: tuple[str, ...] = ()
    """What could not be compared, and why."""
    seconds: float = 0.0
    sides: Sides = PHYSICAL

    @cached_property
    def different(self) -> tuple[TableCount, ...]:
        """Tables that differ between the sides."""
        return tuple(t for t in self.tables if not t.ok and t.verdict != "unreadable")

    @property
    def exact(self) -> bool:
        """Whether every database was counted in the same state on both sides."""
        return all(state.exact for state in self.states)

    @property
    def rows(self) -> int:
        """The rows counted on the standby."""
        return sum(t.standby or 0 for t in self.tables)

    @property
    def finding(self) -> str:
        """The result of the counts, in one sentence."""
        if not self.tables:
            return "No table to compare"
        if self.different:
            verb = "differs" if len(self.different) == 1 else "differ"
            between = self.sides.say("between primary and standby")
            return f"{len(self.different)} of {_tables(len(self.tables))} {verb} {between}"
        compared = [t for t in self.tables if t.ok]
        unread = len(self.tables) - len(compared)
        rest = f"; {_tables(unread)} could not be read" if unread else ""
        if self.exact:
            subject = "The one table has" if len(compared) == 1 else f"All {_tables(len(compared))} have"
            return f"{subject} the same rows on both sides: {self.rows:,} in total{rest}"
        subject = f"{_tables(len(compared))}, {self.rows:,} rows"
        return f"{subject}: {self.sides.say('the standby has what the primary had in the meantime')}{rest}"

    @property
    def table(self) -> Table:
        """Tables that differ first, then the largest; the note explains the numbers."""
        shown = (
            list(self.different)
            + sorted((t for t in self.tables if t not in self.different), key=lambda t: -(t.standby or 0))[
                : max(0, _SHOWN_ROWS - len(self.different))
            ]
        )
        columns = ("database", "table", self.sides.first, self.sides.second, "difference", "verdict")
        rows = [_row(count, self.sides) for count in shown]
        return Table.of(columns, rows, title=self.finding, note=self._note(len(shown)))

    def _note(self, shown: int) -> str:
        lines = [state.summary(self.sides) for state in self.states]
        if shown < len(self.tables):
            lines.insert(0, f"{_tables(len(self.tables) - shown)} more, all equal on both sides.")
        return "\n".join([*lines, *self.left_out, f"Counted in {format_duration(self.seconds)}."])

    def checks(self, journal: Journal) -> Checks:
        """Check, for each database, that every table has the same rows on both sides."""
        return Checks.of("Rows on both sides", self._checks(), journal)

    def _checks(self) -> Iterator[Check]:
        yield Check("tables were compared", bool(self.tables), len(self.tables), "1 or more", _NOTHING)
        for state in self.states:
            wrong = [t for t in self.different if t.database == state.database]
            names = ", ".join(f"{t.name} ({t.difference:+,})" for t in wrong[:5])
            count = sum(t.database == state.database for t in self.tables)
            found = names or f"{_tables(count)} {'equal' if state.exact else 'within bounds'}"
            yield Check(
                f"rows in {state.database}",
                not wrong,
                found,
                self.sides.say("as on the primary"),
                self.sides.remedy,
            )


@dataclass(frozen=True)
class Comparisons:
    """The same primary compared with each of its standbys."""

    items: tuple[Comparison, ...]

    @property
    def worst(self) -> Comparison:
        """The comparison with the most tables that differ; the first if several."""
        return max(self.items, key=lambda one: len(one.different))

    def checks(self, journal: Journal) -> Checks:
        """Return the checks of each comparison, with the standby's name if there are several."""
        if len(self.items) == 1:
            return self.items[0].checks(journal)
        named = [
            replace(c, name=f"{one.standby}: {c.name}") for one in self.items for c in one.checks(journal)
        ]
        return Checks.of("Rows on every side", named, journal)

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in self.items)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.items))

    __repr__ = __str__


_NOTHING = "There is no table that the login may read, outside the system's schemas."


def _tables(count: int) -> str:
    return "1 table" if count == 1 else f"{count:,} tables"


def _row(count: TableCount, sides: Sides) -> tuple[object, ...]:
    low, high = count.bounds or (None, None)
    primary: object = low if low == high else f"{low:,} to {high:,}"
    tone = _TONES.get(count.verdict, "bad")
    difference = Cell(f"{count.difference:+,}", tone) if count.difference else ""
    return (
        count.database,
        count.name,
        primary,
        count.standby,
        difference,
        Cell(sides.say(count.verdict), tone),
    )
