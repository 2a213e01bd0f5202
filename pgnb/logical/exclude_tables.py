"""Publish all tables but some: a publication must then list the others, as they are when it is created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from pgnb.core.errors import ParameterError
from pgnb.logical.publication_spec import MARKER, Named, PublicationSpec, PublishedTable
from pgnb.logical.table_identity import TableIdentity, read_identities
from pgnb.postgres import Server

_EVERY = "*"
_SCHEMAS_SINCE = 15


@dataclass(frozen=True)
class _Choice:
    """What remains of a database's tables after exclusions.

    A partitioned table with an excluded partition is published by its other partitions.
    """

    tables: Mapping[Named, TableIdentity]
    desired: PublicationSpec

    @cached_property
    def reachable(self) -> Sequence[TableIdentity]:
        """Every table that would be published without the exclusions."""
        schemas, own = self.desired.schemas, MARKER.schema
        return [
            table
            for table in self.tables.values()
            if any(not schemas or name[0] in schemas for name in (table.named, *table.roots))
            and table.schema != own
        ]

    @cached_property
    def excluded(self) -> Set[Named]:
        """The excluded tables and every partition below them."""
        named = {table.named for table in self.reachable if self._is_named(table.named)}
        return {t.named for t in self.reachable if named.intersection((t.named, *t.roots))}

    def _is_named(self, table: Named) -> bool:
        return table in self.desired.excluded or (table[0], _EVERY) in self.desired.excluded

    @property
    def unmet(self) -> Sequence[Named]:
        """Exclusions that exclude nothing."""
        there = {name for table in self.excluded for name in (table, (table[0], _EVERY))}
        return [name for name in self.desired.excluded if name not in there]

    def whole_schemas(self) -> tuple[str, ...]:
        """Return the schemas that can be published as such: nothing in them is excluded."""
        split = {name[0] for table in self.excluded for name in (table, *self.tables[table].roots)}
        chosen = self.desired.schemas or sorted({table.schema for table in self.reachable})
        return tuple(schema for schema in chosen if schema not in split)

    def listed(self, whole: Sequence[str]) -> list[PublishedTable]:
        """Return the tables that are published by name, in addition to those schemas."""
        left_out = self.excluded | {root for table in self.excluded for root in self.tables[table].roots}
        kept = {table.named: table for table in self.reachable if table.named not in left_out}
        return [
            PublishedTable(table.schema, table.table, only=table.kind == "r")
            for table in kept.values()
            if not any(root in kept for root in table.roots) and table.schema not in whole
        ]


def without_excluded(publisher: Server, database: str, desired: PublicationSpec) -> PublicationSpec:
    """Return the spec with the remaining tables listed, if it excludes some; else the spec itself.

    Raises ParameterError for an exclusion that excludes nothing, and if nothing remains.
    """
    if not desired.excluded or not publisher.present:
        return desired
    choice = _Choice(read_identities(publisher, database), desired)
    _refuse(database, choice)
    listed_in_part = any(table.columns for table in desired.tables)
    by_schema = publisher.facts.major >= _SCHEMAS_SINCE and not listed_in_part
    whole = choice.whole_schemas() if by_schema else ()
    named = {(table.schema, table.name): table for table in [*choice.listed(whole), *desired.tables]}
    if not whole and set(named) == {(MARKER.schema, MARKER.name)}:
        raise ParameterError(
            f"{database}: no table remains to publish",
            found=_requested(desired),
            remedy="Exclude fewer tables in publish, or remove the database from databases.",
        )
    return PublicationSpec(False, whole, tuple(named.values()), desired.excluded, _requested(desired))


def _refuse(database: str, choice: _Choice) -> None:
    if choice.unmet:
        raise ParameterError(
            f"{database}: excluded in publish, but not among what it publishes: {_words(choice.unmet)}",
            remedy="Write it as it is in the catalog: names are case-sensitive here, and the schema is"
            " public if none is given. Views, unlogged and foreign tables are never published.",
        )
    both = [table.summary for table in choice.desired.tables if (table.schema, table.name) in choice.excluded]
    if both:
        raise ParameterError(
            f"{database}: both named and excluded in publish",
            found=", ".join(both),
            remedy="Remove it from one of the two.",
        )


def _requested(desired: PublicationSpec) -> str:
    tables = [table.summary for table in desired.tables if table != MARKER]
    every = [f"every table of {schema}" for schema in desired.schemas] or ["all tables"]
    return f"{', '.join([*every, *tables])} but {_words(desired.excluded)}"


def _words(names: Sequence[Named]) -> str:
    return ", ".join(
        f"every table of {schema}" if table == _EVERY else PublishedTable(schema, table).summary
        for schema, table in names
    )
