"""Compare the row counts of all published tables on both servers, row filters included, while clients write.

As with a standby, both servers are compared exactly at a moment without writes: the end of WAL is the same
before the publisher's snapshot and after the subscriber's, which had confirmed up to there. If clients write
without such a moment, the subscriber is counted between two counts of the publisher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import ClassVar

from pgnb.core.parallel import map_parallel
from pgnb.logical.arrival import unconfirmed, wait_applied
from pgnb.logical.slots import logical_slots
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import read_subscriptions
from pgnb.logical.targets import databases_of
from pgnb.observe.comparison import LOGICAL, Comparison, State, TableCount
from pgnb.observe.counting import Counts, SnapshotPair, counts_of
from pgnb.postgres import Server, Session
from pgnb.postgres.progress import lsn_text
from pgnb.postgres.queries import sql_of

_TOGETHER = 100
_AT_ONCE = 4
_CONFIRM = 0.25
"""Seconds that the subscriber gets, in one attempt, to confirm what is missing."""


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
    pairs = [_Pair(publisher, subscriber, spec.database, timeout, catch_up, spec, until) for spec in chosen]
    results = map_parallel(_Pair.result, pairs, at_once=_AT_ONCE)
    tables = tuple(table for _, counted in results for table in counted)
    states = tuple(state for state, _ in results)
    seconds = monotonic() - started
    return Comparison(publisher.name, subscriber.name, tables, states, tuple(left_out), seconds, LOGICAL)


def _subscribed(subscriber: Server, spec: DatabaseSpec) -> bool:
    return spec.subscription in read_subscriptions(subscriber, spec.database)


@dataclass(frozen=True)
class _Pair(SnapshotPair):
    """One database of a publisher and its subscriber; `exact_until` on the monotonic clock."""

    spec: DatabaseSpec
    exact_until: float
    pause: ClassVar[float] = 0.005

    def result(self) -> tuple[State, list[TableCount]]:
        with self.sessions() as (here, there):
            return self.compare(here, there, self.exact_until)

    def has_arrived(self, there: Session, position: int) -> bool:
        deadline, lsn = monotonic() + _CONFIRM, lsn_text(position)
        while monotonic() < deadline:
            if not unconfirmed(logical_slots(self.first), [self.spec], lsn):
                return True
        return False

    def wait_arrived(self) -> None:
        wait_applied(self.first, self.second, [self.spec], timeout=self.catch_up)

    def count(self, server: Server, session: Session) -> Counts:
        name, params = ("published_to_count", {"publication": self.spec.publication})
        if server is self.second:
            name, params = ("subscribed_to_count", {"subscription": self.spec.subscription})
        tables = session.execute(sql_of(f"logical/{name}", server.facts.major), params)
        return counts_of(session, tables, at_once=_TOGETHER)
