"""Compare row counts of published tables on both servers, while writes are blocked, or around one LSN.

No subscription is needed, so that a run that was interrupted after its drop can count, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgnb.core.checks import Check, Checks
from pgnb.logical.arrival import wait_applied
from pgnb.logical.publication_spec import qualified
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.table_identity import leaves, read_identities
from pgnb.postgres import Server, compose, identifier

_TOGETHER = 100
_SOURCES = """\
SELECT CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END || t.quoted AS source
  FROM pg_catalog.unnest(%(names)s::text[]) WITH ORDINALITY AS t (quoted, number)
  JOIN pg_catalog.pg_class AS c ON c.oid = t.quoted::pg_catalog.regclass
 ORDER BY t.number"""


@dataclass(frozen=True)
class RowCounts:
    """One database: number of tables and rows, and, as text, each table that differs."""

    database: str
    tables: int
    rows: int
    different: tuple[str, ...]


def compare_row_counts(publisher: Server, subscriber: Server, spec: DatabaseSpec) -> RowCounts:
    """Count each published table on both servers; writes must be blocked, and all changes applied.

    Row filters are those of the publication. Raises QueryFailed for a table that the subscriber lacks.
    """
    tables = publisher.query(
        "logical/published_to_count", {"publication": spec.publication}, database=spec.database
    )
    here = [row["counted"] for row in tables]
    names = [compose("{}", identifier(row["schema"], row["table"])).as_string(None) for row in tables]
    there = [row["source"] for row in subscriber.query(_SOURCES, {"names": names}, database=spec.database)]
    mine, other = _counts(publisher, spec, here), _counts(subscriber, spec, there)
    different = tuple(
        f"{row['schema']}.{row['table']}: {a:,} and {b:,}"
        for row, a, b in zip(tables, mine, other, strict=True)
        if a != b
    )
    return RowCounts(spec.database, len(tables), sum(mine), different)


def _counts(server: Server, spec: DatabaseSpec, sources: list[str]) -> list[int]:
    found: dict[int, int] = {}
    with server.new_session(spec.database, statement_timeout=0) as session:
        for begin in range(0, len(sources), _TOGETHER):
            some = list(enumerate(sources))[begin : begin + _TOGETHER]
            parts = [f"SELECT {n} AS number, count(*) AS rows FROM {source}" for n, source in some]
            rows = session.query(" UNION ALL ".join(parts))
            found |= {row["number"]: row["rows"] for row in rows}
    return [found[number] for number in range(len(sources))]


def table_checks(
    publisher: Server, subscriber: Server, spec: DatabaseSpec, table: str, *, timeout: float = 60.0
) -> Checks:
    """Check that the subscription has the table, that its copy has finished, and that its rows arrived.

    The publisher's rows are counted before and after the subscriber's, so that clients may write meanwhile.
    `timeout`: seconds for earlier changes to be applied. Raises DeadlineExceeded if they are not.
    """
    key, title = qualified(table), f"{spec.database}: {table} on both servers"
    journal = publisher.journal
    if journal.dry_run:
        return Checks.of(title, [Check.fact("rows", "not counted: plan-only run")], journal)
    named = {"subscription": spec.subscription}
    rows = subscriber.query("logical/subscription_tables", named, database=spec.database)
    states = {(row["schema"], row["table"]): row["state"] for row in rows}
    names = [key] if key in states else _parts(publisher, spec, key)
    found_states = [f"{schema}.{name}: {states.get((schema, name), 'not known')}" for schema, name in names]
    copied = all(states.get(one) == "r" for one in names)
    ready = Check(
        "its initial copy",
        copied,
        "r" if copied else "; ".join(found_states),
        "r (ready)",
        "REFRESH the subscription, and read the subscriber's log (12_09_logical_troubleshooting).",
    )
    if not copied:
        return Checks.of(title, [ready], journal)
    before = _count(publisher, spec, key)
    lsn = wait_applied(publisher, subscriber, [spec], timeout=timeout).lsn
    found, after = _count(subscriber, spec, key), _count(publisher, spec, key)
    low, high = min(before, after), max(before, after)
    wanted = f"{low:,} rows" if low == high else f"{low:,} to {high:,} rows"
    items = [
        ready,
        Check(
            f"its rows at {lsn}",
            low <= found <= high,
            f"{found:,} rows",
            wanted,
            "Resynchronise the table (12_09_logical_troubleshooting).",
        ),
    ]
    return Checks.of(title, items, journal)


def _parts(publisher: Server, spec: DatabaseSpec, key: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the names under which its rows are copied: its partitions', or its own."""
    tables = read_identities(publisher, spec.database)
    here = tables.get(key)
    return [one.named for one in leaves(here, tables.values())] if here else [key]


def _count(server: Server, spec: DatabaseSpec, key: tuple[str, str]) -> int:
    with server.new_session(spec.database, statement_timeout=0) as session:
        return int(session.query(compose("SELECT count(*) AS rows FROM {}", identifier(*key)))[0]["rows"])
