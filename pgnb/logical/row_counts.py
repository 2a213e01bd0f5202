"""Rows of the published tables, counted on both sides while nothing is written: equal, or named.

It needs no subscription, so that a run that was killed behind the drop can count, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import Server, compose, identifier

_TOGETHER = 100
_SOURCES = """\
SELECT CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END || t.quoted AS source
  FROM pg_catalog.unnest(%(names)s::text[]) WITH ORDINALITY AS t (quoted, number)
  JOIN pg_catalog.pg_class AS c ON c.oid = t.quoted::pg_catalog.regclass
 ORDER BY t.number"""


@dataclass(frozen=True)
class Counted:
    """One database: how many tables and rows, and in words each table that differs."""

    database: str
    tables: int
    rows: int
    different: tuple[str, ...]


def count_both(publisher: Server, subscriber: Server, spec: DatabaseSpec) -> Counted:
    """Count each published table on both sides; writes must be stopped, and everything applied.

    Row filters are those of the publication. Raises QueryFailed for a table that the subscriber lacks.
    """
    tables = publisher.query(
        "logical/published_to_count", {"publication": spec.publication}, database=spec.database
    )
    here = [f"{row['quoted']} WHERE {row['where'] or 'true'}" for row in tables]
    names = [compose("{}", identifier(row["schema"], row["table"])).as_string(None) for row in tables]
    there = [row["source"] for row in subscriber.query(_SOURCES, {"names": names}, database=spec.database)]
    mine, other = _counts(publisher, spec, here), _counts(subscriber, spec, there)
    different = tuple(
        f"{row['schema']}.{row['table']}: {a:,} and {b:,}"
        for row, a, b in zip(tables, mine, other, strict=True)
        if a != b
    )
    return Counted(spec.database, len(tables), sum(mine), different)


def _counts(server: Server, spec: DatabaseSpec, sources: list[str]) -> list[int]:
    found: dict[int, int] = {}
    with server.new_session(spec.database, statement_timeout=0) as session:
        for begin in range(0, len(sources), _TOGETHER):
            some = list(enumerate(sources))[begin : begin + _TOGETHER]
            parts = [f"SELECT {n} AS number, count(*) AS rows FROM {source}" for n, source in some]
            rows = session.query(" UNION ALL ".join(parts))
            found |= {row["number"]: row["rows"] for row in rows}
    return [found[number] for number in range(len(sources))]
