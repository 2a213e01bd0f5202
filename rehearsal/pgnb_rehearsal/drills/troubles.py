"""Errors of logical replication, caused on purpose: each is then found by 12.9."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pgnb.core.wait import wait_until
from pgnb.diagnosis.logical import Finding, diagnose_logical
from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import Server, compose, find_server, identifier
from pgnb_rehearsal.drills.stage import PASSWORD, PRIMARY, Stage

SUBSCRIBER = "app=postgres-subscriber"
SUBSCRIBER_PASSWORD = "secret:postgres-subscriber/password"  # noqa: S105  where it is kept, not what it is
_AHEAD = 100
"""Number of the client's rows before it meets the existing key."""
_PATIENCE = 60.0


@dataclass(frozen=True)
class Pair:
    """Publisher and subscriber, used by somebody who makes mistakes."""

    publisher: Server
    subscriber: Server

    def conflict(self, database: str) -> Finding:
        """Write a row on the subscriber whose key the publisher's sequence will use soon."""
        statement = "INSERT INTO heartbeat (id) SELECT max(id) + {} FROM heartbeat"
        self.subscriber.execute(compose(statement, _AHEAD), database=database)
        return self._found("conflict", database)

    def table_made_first(self, database: str, table: str) -> Finding:
        """Create a table on the publisher, and a row in it, before the subscriber has the table."""
        for statement in ("CREATE TABLE {} (id int PRIMARY KEY)", "INSERT INTO {} VALUES (1)"):
            self.publisher.execute(compose(statement, identifier(table)), database=database)
        return self._found("missing-table", database)

    def lost_slot(self, database: str) -> Finding:
        """Drop the slot of a subscription that was stopped for a moment."""
        spec = DatabaseSpec.of(database)
        known = identifier(spec.subscription)
        self.subscriber.execute(compose("ALTER SUBSCRIPTION {} DISABLE", known), database=database)
        active = "SELECT active FROM pg_catalog.pg_replication_slots WHERE slot_name = %s"
        wait_until(
            f"{spec.slot} to be free",
            lambda: self.publisher.scalar(active, [spec.slot]),
            lambda found: not found,
            timeout=_PATIENCE,
        )
        self.publisher.execute("SELECT pg_catalog.pg_drop_replication_slot(%s)", [spec.slot])
        self.subscriber.execute(compose("ALTER SUBSCRIPTION {} ENABLE", known), database=database)
        return self._found("lost-slot", database)

    def _found(self, kind: str, database: str) -> Finding:
        diagnosis = wait_until(
            f"{kind} to be found in {database}",
            lambda: diagnose_logical(self.publisher, self.subscriber, [DatabaseSpec.of(database)]),
            lambda seen: kind in seen.kinds,
            timeout=_PATIENCE,
            describe=lambda seen: seen.sentence,
        )
        return next(finding for finding in diagnosis if finding.kind == kind)


@contextmanager
def pair_of(stage: Stage) -> Iterator[Pair]:
    """Connect to both servers of the stage, by a run that may change them."""
    with stage.cluster(acting=True) as cluster:
        pair = Pair(
            find_server(cluster, PRIMARY, password=PASSWORD),
            find_server(cluster, SUBSCRIBER, password=SUBSCRIBER_PASSWORD),
        )
        try:
            yield pair
        finally:
            pair.publisher.close()
            pair.subscriber.close()
