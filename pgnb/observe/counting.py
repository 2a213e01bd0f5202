"""Count rows on both sides: find the two servers in the same state, keep it in a snapshot, then count.

A standby's snapshot is a state that the primary had. To compare exactly, both sides need a snapshot of the
same state. It is found, without stopping any client, in a moment in which nothing is written: the end of WAL
is the same before the primary's snapshot and after the standby's, the standby had replayed up to there, and
no transaction was between its commit record and its visibility. A client that writes every 20 ms leaves such
moments; the counting itself may then take any time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import ClassVar

from pgnb.core.errors import ParameterError, QueryFailed, WrongServer
from pgnb.observe.comparison import Comparison, Comparisons, State, TableCount
from pgnb.postgres import Rows, Server, Session
from pgnb.postgres.progress import lsn_bytes, lsn_text, marker, wait_replayed
from pgnb.postgres.queries import sql_of
from pgnb.postgres.session import Row

_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1"
"""One round trip; the SELECT takes the snapshot that all later statements use."""
_PAGE = 8192
_LONGEST_HEADER = 40
"""Bytes of a WAL page's header: the insert position skips it, the flushed one doesn't."""
_CATCH_UP = 0.05
"""Seconds that a standby has, in one try, to replay what it lacks."""
_AT_ONCE = 4
"""Databases that are counted in parallel."""
_CANCELLED_BY_REPLAY = "40001"
_TOGETHER = 250
"""Tables that one statement counts: planning one over thousands takes a deep stack and a long time."""
_COUNT = "SELECT {} AS number, count(*) AS rows FROM {}"
"""A table's number in its statement, and which of its rows are counted."""
Key = tuple[str, str]
Counts = dict[Key, int | None]


def compare_counts(
    primary: Server,
    standby: Server,
    databases: Sequence[str] = (),
    *,
    timeout: float = 600.0,
    catch_up: float = 60.0,
    quiet_timeout: float = 5.0,
) -> Comparison:
    """Count every table of every database (or of those named) on both sides, while others write.

    `timeout`: seconds for a count; `catch_up`: seconds for the standby to replay what was written before;
    `quiet_timeout`: seconds to wait for a moment without writes; then the counts are bounded, not exact.
    Changes nothing but markers in the WAL. Raises WrongServer if the standby is not a copy of the primary,
    DeadlineExceeded if it doesn't catch up, ParameterError for a database that does not exist.
    """
    started = monotonic()
    if not (primary.present and standby.present):
        return Comparison(primary.name, standby.name, (), ())
    _assert_a_copy(primary, standby)
    readable, left_out = _databases(primary, databases)
    wait_replayed(standby, marker(primary), catch_up)
    pairs = [_Pair(primary, standby, name, timeout, catch_up, quiet_timeout) for name in readable]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pgnb-count") as pool:
        results = list(pool.map(_Pair.result, pairs))
    tables = [count for result in results for count in result.tables]
    notes = [*left_out, *(note for result in results for note in result.left_out)]
    states = tuple(result.state for result in results)
    return Comparison(primary.name, standby.name, tuple(tables), states, tuple(notes), monotonic() - started)


def compare_standbys(
    primary: Server, standbys: Sequence[Server], databases: Sequence[str] = (), *, catch_up: float = 60.0
) -> Comparisons:
    """Do compare_counts with each standby in turn.

    The primary is counted each time. Raises ParameterError without a standby.
    """
    if not standbys:
        raise ParameterError("no standby to compare with", remedy="Section 3 makes a standby.")
    return Comparisons(tuple(compare_counts(primary, one, databases, catch_up=catch_up) for one in standbys))


def _assert_a_copy(primary: Server, standby: Server) -> None:
    one, other = primary.facts.system_identifier, standby.facts.system_identifier
    if one and other and one != other:
        raise WrongServer(
            f"{standby.name} is not a copy of {primary.name}",
            found=f"system identifiers {other} and {one}",
            remedy="Make the standby from a base backup of this primary (section 3.3).",
        )


def _databases(primary: Server, wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    found = {row["name"]: row["readable"] for row in primary.query("observe/databases")}
    if unknown := [name for name in wanted if name not in found]:
        raise ParameterError(
            f"no such database: {', '.join(unknown)}",
            found=f"the databases are {', '.join(found)}",
            remedy="Names are case-sensitive here.",
        )
    chosen = [name for name in found if not wanted or name in wanted]
    left_out = [f"{name}: does not allow connections, not compared" for name in chosen if not found[name]]
    return [name for name in chosen if found[name]], left_out


@dataclass(frozen=True)
class SnapshotPair(ABC):
    """One database on both sides, counted in the same state if there is a moment without writes.

    Clients write to `first`, and `second` follows it. `timeout`: seconds for a count; `catch_up`: seconds for
    `second` to arrive at what was written before.
    """

    first: Server
    second: Server
    database: str
    timeout: float
    catch_up: float
    pause: ClassVar[float] = 0.002
    """Seconds between two attempts."""

    @abstractmethod
    def has_arrived(self, there: Session, position: int) -> bool:
        """Return whether `second` has everything up to a WAL position, within the time of one attempt."""

    @abstractmethod
    def wait_arrived(self) -> None:
        """Wait until `second` has everything that was written to `first`. Raises DeadlineExceeded."""

    @abstractmethod
    def count(self, server: Server, session: Session) -> Counts:
        """Count the tables of one side."""

    @contextmanager
    def sessions(self) -> Iterator[tuple[Session, Session]]:
        """Open a session on both sides; its first statement would take the time of the first attempt."""
        with (
            self.first.new_session(self.database, statement_timeout=self.timeout) as here,
            self.second.new_session(self.database, statement_timeout=self.timeout) as there,
        ):
            there.query("SELECT 1")
            yield here, there

    def compare(self, here: Session, there: Session, exact_until: float) -> tuple[State, list[TableCount]]:
        """Count both sides: exactly, or bounded if no moment without writes came until `exact_until`."""
        state = self._meet(here, there, exact_until)
        return state, self._exact(here, there) if state.exact else self._bounded(here, there)

    def _meet(self, here: Session, there: Session, exact_until: float) -> State:
        """Begin transactions that see the same state on both sides; after `exact_until`, return without."""
        started, tries, pause = monotonic(), 0, Event()
        while True:
            tries += 1
            lsn = self._try_to_meet(here, there)
            now = monotonic()
            if lsn or now > exact_until:
                return State(self.database, lsn, bool(lsn), tries, now - started)
            _end(here, there)
            pause.wait(self.pause)

    def _try_to_meet(self, here: Session, there: Session) -> str:
        self._flush(here)
        before = self._wal(here)
        if before["committing"] or not same_place(before["inserted"], before["flushed"]):
            return ""
        here.execute(_SNAPSHOT)
        if not self.has_arrived(there, before["flushed"]):
            return ""
        there.execute(_SNAPSHOT)
        after = self._wal(here)
        return lsn_text(before["flushed"]) if after["inserted"] == before["inserted"] else ""

    def _flush(self, here: Session) -> None:
        """Flush the end of WAL to the disk, so that it can arrive; a plan-only run waits for it."""
        if not self.first.journal.dry_run:
            here.execute(sql_of("marker", self.first.facts.major))

    def _wal(self, here: Session) -> Row:
        return here.execute(sql_of("observe/wal_quiet", self.first.facts.major))[0]

    def _exact(self, here: Session, there: Session) -> list[TableCount]:
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(self.count, self.second, there)
            mine = self.count(self.first, here)
            return merged(self.database, mine, other.result())

    def _bounded(self, here: Session, there: Session) -> list[TableCount]:
        _end(here, there)
        before = self.count(self.first, here)
        self.wait_arrived()
        between = self.count(self.second, there)
        return merged(self.database, before, between, self.count(self.first, here))


@dataclass(frozen=True)
class _Result:
    state: State
    tables: list[TableCount]
    left_out: list[str]


@dataclass(frozen=True)
class _Pair(SnapshotPair):
    """One database of a primary and its standby; `quiet_timeout` in seconds."""

    quiet_timeout: float

    def result(self) -> _Result:
        with self.sessions() as (here, there):
            state, counted = self.compare(here, there, monotonic() + self.quiet_timeout)
            unlogged = here.execute(sql_of("observe/not_copied", self.first.facts.major))
        return _Result(state, counted, [self._not_copied(row) for row in unlogged])

    def has_arrived(self, there: Session, position: int) -> bool:
        deadline = monotonic() + _CATCH_UP
        query = sql_of("replay_progress", self.second.facts.major)
        while monotonic() < deadline:
            lsn = there.execute(query)[0]["replayed"]
            if lsn is not None and lsn_bytes(lsn) >= position:
                return True
        return False

    def wait_arrived(self) -> None:
        wait_replayed(self.second, marker(self.first), self.catch_up)

    def count(self, server: Server, session: Session) -> Counts:
        try:
            return counts_of(session, session.execute(sql_of("observe/countable_tables", server.facts.major)))
        except QueryFailed as failure:
            if failure.sqlstate != _CANCELLED_BY_REPLAY:
                raise
            raise QueryFailed(
                f"{server.name}: the count in {self.database} was cancelled, because it"
                " delayed replay for too long",
                found=failure.message,
                remedy="Raise max_standby_streaming_delay on the standby, or name fewer databases.",
                sqlstate=failure.sqlstate,
            ) from failure

    def _not_copied(self, row: Row) -> str:
        return (
            f"{self.database}: {row['schema']}.{row['table']} is unlogged, a standby does not have its rows"
        )


def counts_of(session: Session, tables: Rows, *, at_once: int = _TOGETHER) -> Counts:
    """Return the exact row count of each table, `at_once` in one statement; None if it can't be read in full.

    `tables` as the query countable_tables returns them; `counted` is the table as the server quoted it, with
    what restricts its rows. No function of the server runs a query given as text
    except those of XML, which need a server that was built with libxml. An open transaction keeps no table's
    lock: the server has room for some 6,400 by default, which its clients need, too.
    """
    counts: Counts = {(row["schema"], row["table"]): None for row in tables}
    readable = [row for row in tables if row["readable"]]
    for start in range(0, len(readable), at_once):
        some = readable[start : start + at_once]
        parts = [_COUNT.format(number, row["counted"]) for number, row in enumerate(some)]
        with session.releasing_locks():
            rows = session.execute(" UNION ALL ".join(parts))
        for found in rows:
            row = some[found["number"]]
            counts[row["schema"], row["table"]] = found["rows"]
    return counts


def same_place(inserted: int, flushed: int) -> bool:
    """Return whether everything inserted is flushed.

    At the start of a page the insert position is after the page's header, the flushed one before it.
    """
    gap = inserted - flushed
    return gap == 0 or (flushed % _PAGE == 0 and 0 < gap <= _LONGEST_HEADER)


def _end(*sessions: Session) -> None:
    for session in sessions:
        session.rollback()


def merged(database: str, primary: Counts, standby: Counts, after: Counts | None = None) -> list[TableCount]:
    """Return the counts of both sides (and of the primary again) by table, ordered by name."""
    again = primary if after is None else after
    return [
        _merged(database, key, primary, standby, again)
        for key in sorted(primary.keys() | standby.keys() | again.keys())
    ]


def _merged(database: str, key: Key, primary: Counts, standby: Counts, after: Counts) -> TableCount:
    # A table that was created or dropped meanwhile had no rows before or after; the standby may lack it.
    changing = (key in primary) != (key in after)
    absent = 0 if changing else None
    return TableCount(
        database,
        *key,
        primary.get(key, absent),
        standby.get(key, absent),
        after.get(key, absent) if after is not primary else None,
        unreadable=any(key in side and side[key] is None for side in (primary, standby, after)),
    )
