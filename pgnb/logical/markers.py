"""The marker table: a row for each subscription, written on the publisher and awaited on the subscriber.

It is created on the subscriber first: a published table that the subscriber lacks stalls all others.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Displayable, Table, format_duration
from pgnb.core.errors import DeadlineExceeded
from pgnb.core.parallel import map_parallel, run_all
from pgnb.core.plan import Change, Step
from pgnb.core.wait import wait_until
from pgnb.logical.publication_spec import MARKER
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.targets import databases_of
from pgnb.postgres import Server, compose, identifier

_TABLE = identifier(MARKER.schema, MARKER.name)
_CREATE = (
    "CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE IF NOT EXISTS {table} (subscription text PRIMARY KEY,"
    " token text NOT NULL, written_at timestamptz NOT NULL DEFAULT clock_timestamp())"
)
_WRITE = (
    "INSERT INTO {} (subscription, token) VALUES ({}, {}) ON CONFLICT (subscription)"
    " DO UPDATE SET token = excluded.token, written_at = clock_timestamp() RETURNING written_at"
)
_READ = (
    "SELECT token, extract(epoch FROM clock_timestamp() - written_at)::float8 AS age FROM {}"
    " WHERE subscription = {}"
)
_THERE = "SELECT to_regclass({}) IS NOT NULL AS there"


def plan_markers(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Change:
    """Plan to create the missing marker tables, on the subscriber and then on the publisher."""
    sides = [(server, _lacking(server, specs)) for server in (subscriber, publisher)]

    def step(server: Server, lacking: Sequence[DatabaseSpec]) -> Step:
        def run() -> str:
            run_all(lambda spec: _create(server, spec), lacking, lambda spec: spec.database)
            return f"created in {len(lacking)} databases"

        where = ", ".join(spec.database for spec in lacking)
        return Step(server.name, f"CREATE TABLE {MARKER.summary} in {where}", run, journalled=True)

    return Change(
        "marker tables",
        publisher.journal,
        "",
        "".join(f"{server.name}: {s.database}: {MARKER.summary}\n" for server, lack in sides for s in lack),
        [step(server, lacking) for server, lacking in sides if lacking],
        undo_text="DROP SCHEMA pgnb CASCADE, on the publisher first",
    )


def _lacking(server: Server, specs: Sequence[DatabaseSpec]) -> list[DatabaseSpec]:
    there = databases_of(server)
    found = map_parallel(lambda spec: spec.database in there and has_marker(server, spec.database), specs)
    return [spec for spec, has in zip(specs, found, strict=True) if not has]


def has_marker(server: Server, database: str) -> bool:
    """Return whether the marker table is in that database."""
    return bool(server.scalar(compose(_THERE, f"{MARKER.schema}.{MARKER.name}"), database=database))


def _create(server: Server, spec: DatabaseSpec) -> None:
    server.execute(
        compose(_CREATE, schema=identifier(MARKER.schema), table=_TABLE),
        database=spec.database,
        what=f"{spec.database}: CREATE TABLE {MARKER.summary}",
    )


@dataclass(frozen=True)
class MarkerArrival:
    """One database's marker: written on the publisher and, after `seconds`, read on the subscriber."""

    database: str
    token: str
    seconds: float | None


@dataclass(frozen=True, repr=False)
class MarkerArrivals(Displayable):
    """The markers of all databases."""

    items: tuple[MarkerArrival, ...]

    @property
    def table(self) -> Table:
        """Database, marker, and the seconds from the write to the read."""
        rows = [(p.database, p.token, format_duration(p.seconds)) for p in self.items]
        note = "" if rows else "No marker was written: plan-only run."
        return Table.of(("database", "marker", "arrived after"), rows, title="Marker rows", note=note)


def verify_marker_rows(
    publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec], *, timeout: float = 60.0
) -> MarkerArrivals:
    """Write a marker row in each database of the publisher and wait until the subscriber has it.

    `timeout`: seconds for each. A plan-only run writes none. Raises DeadlineExceeded for the first one that
    does not arrive; `logical_status` then shows each subscription's state.
    """
    if publisher.journal.dry_run:
        return MarkerArrivals(())
    return MarkerArrivals(
        tuple(map_parallel(lambda spec: _verify(publisher, subscriber, spec, timeout), specs))
    )


def _verify(publisher: Server, subscriber: Server, spec: DatabaseSpec, timeout: float) -> MarkerArrival:
    token = secrets.token_hex(4)
    publisher.execute(
        compose(_WRITE, _TABLE, spec.subscription, token),
        database=spec.database,
        what=f"{spec.database}: write the marker {token}",
    )
    query = compose(_READ, _TABLE, spec.subscription)
    try:
        rows = wait_until(
            f"the marker of {spec.database}",
            lambda: subscriber.query(query, database=spec.database),
            lambda rows: bool(rows) and rows[0]["token"] == token,
            timeout=timeout,
            every=0.02,
            describe=lambda rows: f"its row is {'an earlier marker' if rows else 'missing'}",
        )
    except DeadlineExceeded as late:
        remedy = f"Check the subscription {spec.subscription} (logical_status, 12.9)."
        raise DeadlineExceeded(late.message, found=late.found, remedy=remedy) from late
    return MarkerArrival(spec.database, token, max(0.0, rows[0]["age"]))


def marker_checks(publisher: Server, arrivals: MarkerArrivals, specs: Sequence[DatabaseSpec]) -> Checks:
    """Check that each database's marker arrived; a plan-only run only says that none was written."""
    if publisher.journal.dry_run:
        found = "not written: plan-only run"
        facts = [Check.fact(f"{spec.database}: marker row", found) for spec in specs]
        return Checks.of("Marker rows", facts, publisher.journal)
    arrived = {arrival.database: arrival for arrival in arrivals.items}
    items = [
        Check(
            f"{spec.database}: marker row",
            spec.database in arrived,
            format_duration(arrived[spec.database].seconds) if spec.database in arrived else "not written",
            "arrived",
            "Check the subscription's state (12.9).",
        )
        for spec in specs
    ]
    return Checks.of("Marker rows", items, publisher.journal)
