"""Progress of the initial copy, table by table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from pgnb.core.display import Cell, Displayable, Table, Tone, format_bytes, format_duration, format_table
from pgnb.core.errors import DeadlineExceeded
from pgnb.core.parallel import map_parallel
from pgnb.core.wait import Live, wait_until
from pgnb.logical.publication import published_tables
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.targets import databases_of
from pgnb.postgres import Server

STATES = {
    "i": "waits for a worker",
    "d": "rows are copied",
    "f": "copied, catching up",
    "s": "synchronised",
    "r": "ready",
}
"""pg_subscription_rel.srsubstate as text."""
_TONES: dict[str, Tone] = {"r": "good", "s": "good", "i": "dim"}
_SHOWN = 30
_LOOK_EVERY = 0.2
_LOOK_EVERY_DATABASE = 0.05
"""Seconds between two queries, at least, and for each database, so that they do not slow the copy down."""


@dataclass(frozen=True)
class TableCopy:
    """One table: the state of its copy and the rows so far; `expected` is from ANALYZE.

    Sizes are bytes: `bytes` arrived as text, `size` is the publisher's table.
    """

    database: str
    schema: str
    table: str
    state: str
    rows: int | None
    bytes: int | None
    expected: int | None
    size: int | None

    @property
    def ready(self) -> bool:
        """Whether its copy has finished, so that its changes go through the apply worker."""
        return self.state == "r"

    @property
    def summary(self) -> str:
        """The table's name; without its schema if that is public."""
        return format_table(self.schema, self.table)


@dataclass(frozen=True, repr=False)
class CopyProgress(Displayable):
    """Every table of every database, at one moment; `seconds` since the wait began."""

    tables: tuple[TableCopy, ...]
    seconds: float = 0.0

    @property
    def ready(self) -> bool:
        """Whether all tables are ready."""
        return all(table.ready for table in self.tables)

    @property
    def summary(self) -> str:
        """The progress in one line."""
        done = sum(table.ready for table in self.tables)
        rows = sum(table.rows or 0 for table in self.tables if not table.ready)
        return f"{done} of {len(self.tables)} tables ready{f', {rows:,} rows in progress' if rows else ''}"

    @property
    def table(self) -> Table:
        """Tables that are not ready first, larger ones before others."""
        order = sorted(self.tables, key=lambda t: (t.ready, -(t.size or 0)))
        rows = [
            (
                t.database,
                t.summary,
                Cell(STATES.get(t.state, t.state), _TONES.get(t.state, "warn")),
                _rows(t),
                t.expected,
                format_bytes(t.bytes),
                format_bytes(t.size),
            )
            for t in order[:_SHOWN]
        ]
        more = f"; {len(order) - _SHOWN} more tables" if len(order) > _SHOWN else ""
        took = f" after {format_duration(self.seconds)}" if self.seconds else ""
        columns = ("database", "table", "state", "rows so far", "≈ rows", "bytes so far", "size on publisher")
        return Table.of(columns, rows, title="Initial copy", note=f"{self.summary}{took}{more}")


def _rows(table: TableCopy) -> object:
    return "all" if table.state in "fsr" else table.rows


def copy_progress(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> CopyProgress:
    """Read how far each table is, from pg_subscription_rel and pg_stat_progress_copy; one query a database.

    Databases without a subscription are left out.
    """
    return _look(subscriber, specs, _sizes(publisher, specs))


def wait_copied(
    publisher: Server,
    subscriber: Server,
    specs: Sequence[DatabaseSpec],
    *,
    timeout: float = 3600.0,
    stalled_after: float = 300.0,
) -> CopyProgress:
    """Wait until every table of every subscription is ready; meanwhile display the progress.

    `timeout`: seconds in all; `stalled_after`: seconds without any progress. A plan-only run reads once.
    Raises DeadlineExceeded with the tables that are not ready.
    """
    sizes, watch, live = _sizes(publisher, specs), _Watch(stalled_after), Live()

    def look() -> CopyProgress:
        found = _look(subscriber, specs, sizes, monotonic() - watch.started)
        live.show(found)
        watch.note(found)
        return found

    if subscriber.journal.dry_run:
        return _look(subscriber, specs, sizes)
    try:
        done = wait_until(
            "the initial copy",
            look,
            lambda found: found.ready or watch.stalled,
            timeout=timeout,
            every=max(_LOOK_EVERY, _LOOK_EVERY_DATABASE * len(specs)),
            describe=_stuck,
            remedy=_REMEDY,
        )
    finally:
        live.close()
    if not done.ready:
        raise DeadlineExceeded(
            f"the initial copy has made no progress for {format_duration(stalled_after)}",
            found=_stuck(done),
            remedy=_REMEDY,
        )
    return done


_REMEDY = (
    "If a table stays in state i, there are too few workers (logical_preflight), or its copy fails and is"
    " retried: the subscriber's log and 12.9 name the cause."
)


class _Watch:
    """Detects whether there was progress recently."""

    def __init__(self, stalled_after: float) -> None:
        self.started = self.moved = monotonic()
        self._after = stalled_after
        self._seen: object = None

    def note(self, found: CopyProgress) -> None:
        if found.tables != self._seen:
            self._seen, self.moved = found.tables, monotonic()

    @property
    def stalled(self) -> bool:
        return monotonic() - self.moved > self._after


Sizes = dict[tuple[str, str, str], tuple[int, int]]


def _sizes(publisher: Server, specs: Sequence[DatabaseSpec]) -> Sizes:
    """Return estimated rows and bytes of each published table, read once."""
    found = map_parallel(lambda s: (s, published_tables(publisher, s.database, s.publication)), specs)
    return {(s.database, t.schema, t.table): (t.rows_estimated, t.bytes) for s, ts in found for t in ts}


def _look(
    subscriber: Server, specs: Sequence[DatabaseSpec], sizes: Sizes, seconds: float = 0.0
) -> CopyProgress:
    there = databases_of(subscriber)
    present = [spec for spec in specs if spec.database in there]
    found = map_parallel(lambda spec: _of_database(subscriber, spec, sizes), present)
    return CopyProgress(tuple(table for tables in found for table in tables), seconds)


def _of_database(subscriber: Server, spec: DatabaseSpec, sizes: Sizes) -> list[TableCopy]:
    rows = subscriber.query(
        "logical/subscription_tables", {"subscription": spec.subscription}, database=spec.database
    )
    return [_table_copy(spec.database, row, sizes) for row in rows]


def _table_copy(database: str, row: dict[str, object], sizes: Sizes) -> TableCopy:
    schema, table = str(row["schema"]), str(row["table"])
    expected, size = sizes.get((database, schema, table), (None, None))
    known = {key: row[key] for key in ("state", "rows", "bytes")}
    return TableCopy(database, schema, table, expected=expected, size=size, **known)  # type: ignore[arg-type]


def _stuck(progress: CopyProgress) -> str:
    stuck = [
        f"{t.database}: {t.summary} {STATES.get(t.state, t.state)}" for t in progress.tables if not t.ready
    ]
    if not stuck:
        return progress.summary
    return f"{progress.summary}; {', '.join(stuck[:5])}{f' and {len(stuck) - 5} more' if stuck[5:] else ''}"
