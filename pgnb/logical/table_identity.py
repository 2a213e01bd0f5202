"""By what UPDATE and DELETE find the rows of a published table, on both servers, from the catalogs.

The rules are PostgreSQL's. The publisher rejects both on a published table without a replica identity (fact
Q1). The subscriber finds a row by its own identity index or primary key, each of whose columns the publisher
must send as part of its identity; only a publisher that sends the full row needs no key there (relation.c,
logicalrep_rel_mark_updatable).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from pgnb.core.display import format_table
from pgnb.logical.publication_spec import Named as Named
from pgnb.logical.publication_spec import PublicationSpec
from pgnb.postgres import Server

FULL, INDEX, DEFAULT, NOTHING = "f", "i", "d", "n"


@dataclass(frozen=True)
class UniqueIndex:
    """A unique index that may serve as identity; `chosen`: REPLICA IDENTITY USING INDEX names it."""

    name: str
    columns: tuple[str, ...]
    primary: bool
    chosen: bool


@dataclass(frozen=True)
class TableIdentity:
    """One table of a catalog. `kind` is r or p (partitioned), `form` is relreplident, `bytes` its size.

    `roots`: the partitioned tables above it; `parents`: what it inherits from, the nearest first. `extension`
    owns it, or is None; `generated` are the columns that the server computes.
    """

    schema: str
    table: str
    kind: str
    form: str
    bytes: int
    extension: str | None
    columns: tuple[str, ...]
    generated: tuple[str, ...]
    indexes: tuple[UniqueIndex, ...]
    roots: tuple[Named, ...]
    parents: tuple[Named, ...]

    @property
    def named(self) -> Named:
        """Schema and name."""
        return self.schema, self.table

    @property
    def summary(self) -> str:
        """The table's name; without its schema if that is public."""
        return format_table(self.schema, self.table)

    @property
    def key(self) -> UniqueIndex | None:
        """The index that is its replica identity; None for FULL, NOTHING, and if there is none."""
        if self.form == INDEX:
            return next((index for index in self.indexes if index.chosen), None)
        return self._primary if self.form == DEFAULT else None

    @property
    def _primary(self) -> UniqueIndex | None:
        return next((index for index in self.indexes if index.primary), None)

    @property
    def identified(self) -> bool:
        """Whether UPDATE and DELETE are accepted once it is published."""
        return self.form == FULL or self.key is not None

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that an UPDATE or DELETE sends to find its row; empty without an identity."""
        key = self.key
        return self.columns if self.form == FULL else key.columns if key else ()

    @property
    def found_by(self) -> tuple[str, ...]:
        """The columns by which a subscriber with this table finds rows; by default the primary key."""
        key = self.key or self._primary
        return key.columns if key else ()

    @property
    def identity_text(self) -> str:
        """Its identity as a short text."""
        if self.form == FULL:
            return "FULL"
        return f"({', '.join(self.identity)})" if self.identified else "none"

    def with_identity(self) -> TableIdentity:
        """Return the table as `plan_replica_identity` leaves it: its shortest unique index, else FULL."""
        if self.identified:
            return self
        if not self.indexes:
            return replace(self, form=FULL)
        first = self.indexes[0].name
        return replace(
            self, form=INDEX, indexes=tuple(replace(i, chosen=i.name == first) for i in self.indexes)
        )


def read_identities(server: Server, database: str) -> dict[Named, TableIdentity]:
    """Read every logged table of a database by schema and name; none of an absent server.

    Source: pg_class, pg_index, pg_inherits, pg_depend. Raises QueryFailed, ConnectionFailed.
    """
    return identities_of(server.query("logical/identities", database=database))


def identities_of(rows: Iterable[Mapping[str, Any]]) -> dict[Named, TableIdentity]:
    """Return the rows of the query `logical/identities` as tables, by schema and name."""
    return {table.named: table for table in map(_identity, rows)}


def _identity(row: Mapping[str, Any]) -> TableIdentity:
    indexes = tuple(
        UniqueIndex(i["name"], tuple(i["columns"]), i["primary"], i["chosen"]) for i in row["indexes"]
    )
    lists = {key: tuple(row[key]) for key in ("columns", "generated")}
    named = {key: tuple((schema, name) for schema, name in row[key]) for key in ("roots", "parents")}
    return TableIdentity(**{**row, **lists, **named, "indexes": indexes})


def published_by(spec: PublicationSpec, tables: Iterable[TableIdentity]) -> list[TableIdentity]:
    """Return the ordinary tables, partitions included, that such a publication publishes."""
    listed = {(one.schema, one.name) for one in spec.tables}
    with_children = {(one.schema, one.name) for one in spec.tables if not one.only}
    return [t for t in tables if t.kind == "r" and _covers(spec, listed, with_children, t)]


def _covers(
    spec: PublicationSpec, listed: Set[Named], with_children: Set[Named], table: TableIdentity
) -> bool:
    branch = (table.named, *table.roots)
    return (
        spec.all_tables
        or any(name in listed or name[0] in spec.schemas for name in branch)
        or any(name in with_children for name in table.parents)
    )


def sent_as(spec: PublicationSpec, table: TableIdentity, *, via_root: bool) -> Named:
    """Return the name under which a table's changes are sent: its topmost published root's, or its own."""
    if not (via_root and table.roots):
        return table.named
    listed = {(one.schema, one.name) for one in spec.tables}
    covered = [n for n in table.roots if spec.all_tables or n in listed or n[0] in spec.schemas]
    return covered[-1] if covered else table.named


def leaves(table: TableIdentity, tables: Iterable[TableIdentity]) -> Sequence[TableIdentity]:
    """Return the tables that hold its rows: its partitions, or itself."""
    if table.kind != "p":
        return [table]
    return [one for one in tables if one.kind == "r" and table.named in one.roots]


def arrives(sent: TableIdentity, there: TableIdentity) -> bool:
    """Return whether UPDATE and DELETE of the publisher's table can find their rows in the subscriber's."""
    wanted = there.found_by
    return (bool(wanted) or sent.form == FULL) and set(wanted) <= set(sent.identity)
