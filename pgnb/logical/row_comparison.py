"""Compare the row counts of all published tables on both servers, row filters included, while clients write.

As with a standby, both servers are compared exactly at a moment without writes: the end of WAL is the same
before the publisher's snapshot and after the subscriber's, which had confirmed up to there. If clients write
without such a moment, the subscriber is counted between two counts of the publisher.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from time import monotonic

from pgnb.core.parallel import map_parallel
from pgnb.logical.arrival import unconfirmed, wait_applied
from pgnb.logical.slots import logical_slots
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import read_subscriptions
from pgnb.logical.targets import databases_of
from pgnb.observe.comparison import LOGICAL, Comparison, State, TableCount
from pgnb.observe.counting import merged, same_place
from pgnb.postgres import Server, Session
from pgnb.postgres.progress import lsn_text
from pgnb.postgres.queries import sql_of

_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1"
_COUNT = "SELECT {} AS number, count(*) AS rows FROM {} WHERE {}"
_TOGETHER = 100
_AT_ONCE = 4
_PAUSE = 0.005
_CONFIRM = 0.25
"""Seconds that the subscriber gets, in one attempt, to confirm what is missing."""
Counts = dict[tuple[str, str], int | None]


def compare_published(
    publisher: Server,
    subscriber: Server,
    specs: Sequence[DatabaseSpec],
    *,
    timeout: float = 600.0,
    catch_up: float = 60.0,
    exact_within: float = 1.0,
) -> Comparison:
    """Count every published table of every database on both servers, while others write.

    `timeout`: seconds for a count; `catch_up`: seconds for the subscriber to confirm what was written before;
    `exact_within`: seconds, for all together, to look for a moment without writes, after which the counts are
    bounded instead of exact. Changes nothing except for markers in the WAL. Raises DeadlineExceeded if the
    subscriber does not catch up. Databases without a subscription are named, not compared.
    """
    started = monotonic()
    there = databases_of(subscriber)
    subscribed = map_parallel(lambda spec: spec.database in there and _subscribed(subscriber, spec), specs)
    chosen = [spec for spec, known in zip(specs, subscribed, strict=True) if known]
    left_out = [
        f"{spec.database}: no subscription"
        for spec, known in zip(specs, subscribed, strict=True)
        if not known
    ]
    if chosen:
        wait_applied(publisher, subscriber, chosen, timeout=catch_up)
    until = monotonic() + exact_within
    pairs = [_Pair(publisher, subscriber, spec, timeout, until, catch_up) for spec in chosen]
    results = map_parallel(_Pair.compare, pairs, at_once=_AT_ONCE)
    tables = tuple(table for counted, _ in results for table in counted)
    states = tuple(state for _, state in results)
    seconds = monotonic() - started
    return Comparison(publisher.name, subscriber.name, tables, states, tuple(left_out), seconds, LOGICAL)


def _subscribed(subscriber: Server, spec: DatabaseSpec) -> bool:
    return spec.subscription in read_subscriptions(subscriber, spec.database)


@dataclass(frozen=True)
class _Pair:
    """One database on both servers; durations in seconds, `exact_until` on the monotonic clock."""

    publisher: Server
    subscriber: Server
    spec: DatabaseSpec
    timeout: float
    exact_until: float
    catch_up: float

    def compare(self) -> tuple[list[TableCount], State]:
        database = self.spec.database
        with (
            self.publisher.new_session(database, statement_timeout=self.timeout) as here,
            self.subscriber.new_session(database, statement_timeout=self.timeout) as there,
        ):
            there.query("SELECT 1")
            state = self._meet(here, there)
            counted = self._exact(here, there) if state.exact else self._bounded(here, there)
        return counted, state

    def _meet(self, here: Session, there: Session) -> State:
        """Begin transactions with the same state on both servers; after `exact_within`, return without."""
        started, tries, pause = monotonic(), 0, Event()
        while True:
            tries += 1
            lsn = self._try_to_meet(here, there)
            took = monotonic() - started
            if lsn or monotonic() > self.exact_until:
                return State(self.spec.database, lsn, bool(lsn), tries, took)
            _end(here, there)
            pause.wait(_PAUSE)

    def _try_to_meet(self, here: Session, there: Session) -> str:
        major = self.publisher.facts.major
        if not self.publisher.journal.dry_run:
            here.execute(sql_of("marker", major))
        before = here.execute(sql_of("observe/wal_quiet", major))[0]
        if before["committing"] or not same_place(before["inserted"], before["flushed"]):
            return ""
        here.execute(_SNAPSHOT)
        lsn = lsn_text(before["flushed"])
        if not self._confirmed(lsn):
            return ""
        there.execute(_SNAPSHOT)
        after = here.execute(sql_of("observe/wal_quiet", major))[0]
        return lsn if after["inserted"] == before["inserted"] else ""

    def _confirmed(self, lsn: str) -> bool:
        deadline = monotonic() + _CONFIRM
        while monotonic() < deadline:
            if not unconfirmed(logical_slots(self.publisher), [self.spec], lsn):
                return True
        return False

    def _exact(self, here: Session, there: Session) -> list[TableCount]:
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(self._count_subscriber, there)
            mine = self._count_publisher(here)
            return merged(self.spec.database, mine, other.result())

    def _bounded(self, here: Session, there: Session) -> list[TableCount]:
        _end(here, there)
        before = self._count_publisher(here)
        wait_applied(self.publisher, self.subscriber, [self.spec], timeout=self.catch_up)
        between = self._count_subscriber(there)
        return merged(self.spec.database, before, between, self._count_publisher(here))

    def _count_publisher(self, session: Session) -> Counts:
        query = sql_of("logical/published_to_count", self.publisher.facts.major)
        return _counts(session, query, {"publication": self.spec.publication})

    def _count_subscriber(self, session: Session) -> Counts:
        query = sql_of("logical/subscribed_to_count", self.subscriber.facts.major)
        return _counts(session, query, {"subscription": self.spec.subscription})


def _counts(session: Session, query: str, params: dict[str, str]) -> Counts:
    """Return the row count of each table that the query names, many in one statement; None if unreadable."""
    tables = session.execute(query, params)
    counts: Counts = {(row["schema"], row["table"]): None for row in tables}
    readable = [row for row in tables if row["readable"]]
    for start in range(0, len(readable), _TOGETHER):
        some = readable[start : start + _TOGETHER]
        parts = [_COUNT.format(n, row["quoted"], row["where"] or "true") for n, row in enumerate(some)]
        with session.releasing_locks():
            rows = session.execute(" UNION ALL ".join(parts))
        for found in rows:
            row = some[found["number"]]
            counts[row["schema"], row["table"]] = found["rows"]
    return counts


def _end(*sessions: Session) -> None:
    for session in sessions:
        session.rollback()
