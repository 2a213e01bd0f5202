"""What is to be replicated: for each database its publication, what it holds, its subscription and slot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pgnb.core.display import Displayable, Table
from pgnb.core.errors import ParameterError
from pgnb.logical.exclude_tables import without_excluded
from pgnb.logical.names import LONGEST, publication_name, slot_name, subscription_name
from pgnb.logical.publication_spec import (
    ALL_OPERATIONS,
    PublicationSpec,
    PublishedTable,
    operations_of,
    parse_publication_spec,
)
from pgnb.postgres import Server
from pgnb.postgres.scratch import OWN, SCRATCH


@dataclass(frozen=True)
class DatabaseSpec:
    """One database: what is published, and the names of publication, subscription and slot.

    `operations` are those that are published; `via_root`: changes of partitions are sent as changes of the
    partitioned table (publish_via_partition_root).
    """

    database: str
    desired: PublicationSpec
    publication: str
    subscription: str
    slot: str
    operations: str = ALL_OPERATIONS
    via_root: bool = False

    @classmethod
    def of(
        cls,
        database: str,
        published: Any = "all",
        *,
        operations: str = ALL_OPERATIONS,
        via_root: bool = False,
    ) -> DatabaseSpec:
        """Return the spec with the procedure's names; `published` as in the parameter `publish`."""
        check_name("database", database)
        subscription, holds = subscription_name(database), parse_publication_spec(published)
        return cls(
            database,
            holds,
            publication_name(database),
            subscription,
            slot_name(subscription),
            operations_of(operations),
            via_root,
        )


@dataclass(frozen=True, repr=False)
class Specs(Displayable, Sequence[DatabaseSpec]):
    """The databases to replicate, in order; displays as a table."""

    items: tuple[DatabaseSpec, ...]

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[DatabaseSpec]:
        return iter(self.items)

    @property
    def databases(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(spec.database for spec in self.items)

    @property
    def table(self) -> Table:
        """Database, what is published, and the names of publication, subscription and slot."""
        rows = [(s.database, s.desired.summary, s.publication, s.subscription, s.slot) for s in self.items]
        columns = ("database", "published", "publication", "subscription", "slot")
        return Table.of(columns, rows, title="Databases to replicate", note="" if rows else "none")


def database_specs(
    publisher: Server,
    databases: Iterable[str] = (),
    publish: Mapping[str, Any] | None = None,
    *,
    operations: str = ALL_OPERATIONS,
    via_root: bool = False,
) -> Specs:
    """Return the specs of those databases; without names, of all that can be replicated.

    All means every database of the publisher except its maintenance database, templates and scratch
    databases. `publish` maps a database to what is published of it, "all" if it is not named: see
    `parse_publication_spec`. If it excludes tables, the others are read from the catalog and listed.
    `operations` and `via_root` as in DatabaseSpec. Raises ParameterError for names that do not exist, are
    given twice, or cannot be used.
    """
    found = [row["name"] for row in publisher.query("databases")]
    chosen = list(databases) or _every_one(publisher)
    requested = dict(publish or {})
    _refuse("named twice", sorted({name for name in chosen if chosen.count(name) > 1}), found)
    if publisher.present:
        _refuse("not on the publisher", [name for name in chosen if name not in found], found)
    _refuse("in publish, but not among the databases", [n for n in requested if n not in chosen], chosen)
    specs = [
        DatabaseSpec.of(name, requested.get(name, "all"), operations=operations, via_root=via_root)
        for name in chosen
    ]
    return Specs(tuple(replace(s, desired=without_excluded(publisher, s.database, s.desired)) for s in specs))


def _every_one(publisher: Server) -> list[str]:
    known = {"scratch": SCRATCH, "own": OWN}
    return [row["name"] for row in publisher.query("logical/databases_to_replicate", known)]


def check_name(what: str, name: str) -> str:
    """Return the name. Raises ParameterError for one that the server would reject or truncate."""
    size = len(name.encode())
    if not 0 < size <= LONGEST or "\0" in name:
        raise ParameterError(
            f"not a name for a {what}: {name!r}",
            found=f"{size} bytes",
            remedy=f"A name has 1 to {LONGEST} bytes and no NUL.",
        )
    return name


def _refuse(why: str, names: Sequence[str], there: Sequence[str]) -> None:
    if names:
        raise ParameterError(
            f"databases {why}: {', '.join(names)}",
            found=f"known: {', '.join(there) or 'none'}",
            remedy="Correct the name: names are case-sensitive here.",
        )


__all__ = ["DatabaseSpec", "PublicationSpec", "PublishedTable", "Specs", "check_name", "database_specs"]
