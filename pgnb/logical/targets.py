"""The subscriber's tables before a copy: they must exist, be empty, and not need a partial copy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pgnb.core.checks import Check, Checks
from pgnb.core.errors import ConnectionFailed
from pgnb.core.parallel import map_parallel
from pgnb.logical.publication import Published
from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import Rows, Server

_SHOWN = 6
PARTS_SINCE = 15
"""First subscriber version whose initial copy honours row filters and column lists."""
_TOGETHER = 100
_FILLED = "SELECT {} AS number, EXISTS (SELECT 1 FROM {}) AS filled"


def databases_of(server: Server) -> frozenset[str]:
    """Return the databases that accept connections; none of an absent server."""
    return frozenset(row["name"] for row in server.query("databases"))


def target_checks(
    subscriber: Server, spec: DatabaseSpec, tables: Sequence[Published], *, copy_data: bool
) -> list[Check]:
    """Check that the subscriber has each of the tables and, with `copy_data`, that they are empty.

    Raises ConnectionFailed for a database that does not exist.
    """
    found = _looked_for(subscriber, spec.database, [(t.schema, t.table) for t in tables])
    missing = [_words(row) for row in found if not row["here"]]
    filled = _filled(subscriber, spec.database, found) if copy_data else []
    checks = [
        Check(
            f"{spec.database}: tables on the subscriber",
            not missing,
            _some(missing) or f"all {len(found)}",
            "all",
            "Copy the schema (plan_schema), or add the table (12.7).",
        )
    ]
    if copy_data:
        checks.append(
            Check(
                f"{spec.database}: no rows before the copy",
                not filled,
                _some(filled) or "none",
                "none",
                "Empty those tables on the subscriber, or set copy_data = False if they hold exactly the"
                " publisher's rows: a copy into a table with rows fails on duplicate keys, or duplicates"
                " them.",
            )
        )
    return checks


def filled_tables(subscriber: Server, database: str, tables: Sequence[tuple[str, str]]) -> list[str]:
    """Return those of the tables (schema, name) that hold a row, as `schema.name`.

    A missing table holds none.
    """
    return _filled(subscriber, database, _looked_for(subscriber, database, tables))


def _looked_for(subscriber: Server, database: str, tables: Sequence[tuple[str, str]]) -> Rows:
    named = {"schemas": [schema for schema, _ in tables], "tables": [table for _, table in tables]}
    return subscriber.query("logical/filled_tables", named, database=database)


def copy_checks(subscriber: Server, database: str, tables: Sequence[Published]) -> list[Check]:
    """Check that the subscriber copies only what is published; empty if nothing can be wrong.

    The initial copy of 14 takes whole tables, whatever row filter or column list the publisher has for them.
    """
    parts = [f"{t.schema}.{t.table}" for t in tables if t.where or t.listed]
    if not parts or subscriber.facts.major >= PARTS_SINCE:
        return []
    found = f"{_some(parts)}; the subscriber is {subscriber.facts.version_text}"
    return [
        Check(
            f"{database}: partly published tables",
            False,
            found,
            f"{PARTS_SINCE} or newer",
            "An older subscriber copies every row and column of these tables: publish them completely, or"
            " set copy_data = False and copy the rows by hand.",
        )
    ]


def _filled(subscriber: Server, database: str, found: Rows) -> list[str]:
    """Return those that hold a row, or that cannot be read; many are queried in one statement."""
    here = [row for row in found if row["here"]]
    names = [_words(row) for row in here if row["quoted"] is None]
    readable = [row for row in here if row["quoted"] is not None]
    for start in range(0, len(readable), _TOGETHER):
        some = readable[start : start + _TOGETHER]
        parts = [_FILLED.format(number, row["quoted"]) for number, row in enumerate(some)]
        answers = subscriber.query(" UNION ALL ".join(parts), database=database)
        names += [_words(some[answer["number"]]) for answer in answers if answer["filled"]]
    return names


def all_target_checks(
    subscriber: Server, wanted: Iterable[tuple[DatabaseSpec, Sequence[Published]]], *, copy_data: bool
) -> Checks:
    """Run the checks of several databases in parallel."""

    def look(pair: tuple[DatabaseSpec, Sequence[Published]]) -> list[Check]:
        try:
            found = target_checks(subscriber, *pair, copy_data=copy_data)
        except ConnectionFailed as failure:
            return [
                Check(
                    f"{pair[0].database}: on the subscriber",
                    False,
                    failure.found,
                    "present",
                    "Create it (plan_databases).",
                )
            ]
        return found + copy_checks(subscriber, pair[0].database, pair[1]) if copy_data else found

    items = [check for checks in map_parallel(look, wanted) for check in checks]
    return Checks.of(f"Tables of {subscriber.name}", items, subscriber.journal)


def _words(row: dict[str, object]) -> str:
    return f"{row['schema']}.{row['table']}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
