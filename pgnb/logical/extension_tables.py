"""Extensions' tables that CREATE EXTENSION fills: published with all tables, their initial copy fails.

An example is PostGIS' spatial_ref_sys. Such a table is detected by its rows on the subscriber or, before the
extension exists there, by rows on the publisher that a dump leaves to the extension
(pg_extension_config_dump).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgnb.core.checks import Check
from pgnb.core.errors import QueryFailed
from pgnb.core.parallel import map_parallel
from pgnb.logical.publication_spec import exclusion
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.table_identity import Named, published_by, read_identities
from pgnb.logical.targets import filled_tables
from pgnb.postgres import Server
from pgnb.postgres.rows import Row

_BROUGHT = "SELECT (SELECT count(*) FROM ONLY {0}) > (SELECT count(*) FROM ONLY {0} {1}) AS brought"
_REMEDY = (
    "Exclude them: {}. The subscriber then has the rows of its own extension. To replicate them"
    " nevertheless, create the extension in that database of the subscriber and empty its tables there."
)


@dataclass(frozen=True)
class _Filled:
    """An extension's published table that has rows on the subscriber, or will have."""

    table: Named
    extension: str
    when: str

    @property
    def summary(self) -> str:
        return f"{self.table[0]}.{self.table[1]} ({self.extension}, {self.when})"


def extension_table_checks(
    publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec], there: frozenset[str]
) -> Iterator[Check]:
    """Check that no extension's published table has rows on the subscriber, now or after the schema copy.

    `there`: the databases that the subscriber has. Raises QueryFailed.
    """
    found = map_parallel(lambda spec: _filled(publisher, subscriber, spec, there), specs)
    for spec, filled in zip(specs, found, strict=True):
        remedy = _REMEDY.format(exclusion(spec.database, [one.table for one in filled])) if filled else ""
        yield Check(
            f"{spec.database}: tables of extensions before the copy",
            not filled,
            ", ".join(one.summary for one in filled) or "no rows",
            "no rows",
            remedy,
        )


def _filled(
    publisher: Server, subscriber: Server, spec: DatabaseSpec, there: frozenset[str]
) -> list[_Filled]:
    published = {
        t.named for t in published_by(spec.desired, read_identities(publisher, spec.database).values())
    }
    rows = publisher.query("logical/extension_tables", database=spec.database)
    owned = {(row["schema"], row["table"]): row for row in rows}
    owned = {named: row for named, row in owned.items() if named in published}
    if not owned:
        return []
    held = spec.database in there
    made = _extensions(subscriber, spec.database) if held else frozenset()
    full = set(filled_tables(subscriber, spec.database, list(owned))) if held else set()
    found = []
    for named, row in owned.items():
        if ".".join(named) in full:
            found.append(_Filled(named, row["extension"], "has rows on the subscriber"))
        elif row["extension"] not in made and _brought(publisher, spec.database, row):
            found.append(_Filled(named, row["extension"], "which fills it when it is created there"))
    return found


def _extensions(server: Server, database: str) -> frozenset[str]:
    return frozenset(row["name"] for row in server.query("logical/extensions", database=database))


def _brought(publisher: Server, database: str, row: Row) -> bool:
    """Return whether the extension added rows; a table that cannot be read may have some."""
    if not row["condition"]:
        return False
    try:
        return bool(publisher.scalar(_BROUGHT.format(row["quoted"], row["condition"]), database=database))
    except QueryFailed:
        return True
