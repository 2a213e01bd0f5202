"""What would make UPDATE and DELETE of published tables fail, known from the catalogs beforehand.

The publisher rejects them for a table without a replica identity, and for one whose row filter or column list
is not within it (since 15); applications then get an error. The subscriber's apply worker stops at the first
one whose row it cannot find by a key. No user's table is written to find this out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pgnb.core.errors import QueryFailed
from pgnb.core.parallel import map_parallel
from pgnb.logical.publication import read_publications
from pgnb.logical.publication_spec import PublicationSpec, PublishedTable
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.table_identity import (
    FULL,
    Named,
    TableIdentity,
    arrives,
    leaves,
    published_by,
    read_identities,
    sent_as,
)
from pgnb.postgres import Server, compose, identifier, join

Kind = Literal["unidentified-table", "outside-identity", "cannot-arrive"]
_UNDEFINED_COLUMN = "42703"
_GENERATED_SINCE = 18
_EXPLAIN = "EXPLAIN SELECT FROM (SELECT {} FROM ONLY {}) AS {} WHERE ({}\n)"
_WITHIN = (
    "Give the table an identity that contains them (REPLICA IDENTITY USING INDEX or FULL), remove them,"
    " or publish only inserts (publish_operations = 'insert, truncate')."
)
_UNIDENTIFIED = (
    "Give it one: a primary key, REPLICA IDENTITY USING INDEX, or FULL (allow_replica_identity in 12)."
)
_EXTENSION = (
    "A publication of all tables, or of its schema, includes an extension's tables. List other tables or"
    " schemas in publish; or set REPLICA IDENTITY FULL on that table by hand."
)
_MATCH = (
    "Create a unique index over those NOT NULL columns on the subscriber, or set REPLICA IDENTITY FULL on"
    " the publisher's table."
)
_GENERATED = "Give the table a key without them: since 18 the publisher rejects UPDATE and DELETE."
_ROOT = "Set publish_via_partition_root = True, or name the partitions."


@dataclass(frozen=True)
class Obstacle:
    """Why UPDATE and DELETE of one table fail; `table` as `schema.name`, `found` what the catalogs say.

    `unidentified-table` and `outside-identity`: the publisher rejects them; `cannot-arrive`: the subscriber.
    """

    kind: Kind
    database: str
    table: str
    found: str
    remedy: str
    extension: str = ""

    @property
    def summary(self) -> str:
        """Database, table and what was found."""
        return f"{self.database}: {self.table}: {self.found}"


@dataclass(frozen=True)
class Publishing:
    """How one database's tables are published; `planned`: with the identities that missing ones will get.

    An extension's table never gets one: it belongs to the extension.
    """

    database: str
    holds: PublicationSpec
    operations: str
    via_root: bool
    planned: bool = False

    @property
    def changes_rows(self) -> bool:
        """Whether UPDATE or DELETE is published."""
        return "update" in self.operations or "delete" in self.operations

    def judged(self, table: TableIdentity) -> TableIdentity:
        """Return the table as it is to be judged."""
        return table.with_identity() if self.planned and not table.extension else table


def as_desired(spec: DatabaseSpec, *, planned: bool = True) -> Publishing:
    """Return a spec's publication as it would be created, with the identities that are set before."""
    return Publishing(spec.database, spec.desired, spec.operations, spec.via_root, planned)


def publisher_obstacles(
    publisher: Server, specs: Sequence[DatabaseSpec], *, planned: bool = True
) -> tuple[Obstacle, ...]:
    """Return what the publisher would reject once these publications exist; changes nothing.

    `planned`: with the identities that `plan_replica_identity` sets. Raises QueryFailed.
    """

    def look(spec: DatabaseSpec) -> list[Obstacle]:
        return list(_refused(publisher, as_desired(spec, planned=planned), _read(publisher, spec)))

    return _of_all(look, specs)


def subscriber_obstacles(
    publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec], *, there: frozenset[str]
) -> tuple[Obstacle, ...]:
    """Return what the subscriber's tables, as they are, could not apply; `there`: its databases."""

    def look(spec: DatabaseSpec) -> list[Obstacle]:
        if spec.database not in there:
            return []
        return list(_unfound(as_desired(spec), _read(publisher, spec), _read(subscriber, spec)))

    return _of_all(look, specs)


def current_obstacles(publisher: Server, subscriber: Server, spec: DatabaseSpec) -> tuple[Obstacle, ...]:
    """Return what fails, or will, with the present publication; empty without one. Raises QueryFailed."""
    now = read_publications(publisher, spec.database).get(spec.publication)
    if now is None:
        return ()
    how = Publishing(spec.database, now.holds, now.operations, now.via_root)
    ours = _read(publisher, spec)
    return (*_refused(publisher, how, ours), *_unfound(how, ours, _read(subscriber, spec)))


def published_obstacles(publisher: Server, database: str) -> tuple[Obstacle, ...]:
    """Return what the publisher rejects now in one database, by any publication. Raises QueryFailed."""
    found = read_publications(publisher, database).values()
    tables = read_identities(publisher, database) if found else {}
    refused = [
        one
        for now in found
        for one in _refused(publisher, Publishing(database, now.holds, now.operations, now.via_root), tables)
    ]
    return tuple(dict.fromkeys(refused))


def _of_all(
    look: Callable[[DatabaseSpec], list[Obstacle]], specs: Sequence[DatabaseSpec]
) -> tuple[Obstacle, ...]:
    found = map_parallel(look, specs)
    return tuple(one for some in found for one in some)


def _read(server: Server, spec: DatabaseSpec) -> Mapping[Named, TableIdentity]:
    return read_identities(server, spec.database)


def _refused(publisher: Server, how: Publishing, tables: Mapping[Named, TableIdentity]) -> Iterator[Obstacle]:
    """Yield what the publisher rejects: tables without identity, then filters and column lists outside it."""
    if how.changes_rows:
        for table in published_by(how.holds, tables.values()):
            yield from _unidentified(publisher, how, how.judged(table))
    for part in how.holds.tables:
        if part.where or part.columns:
            yield from _part(publisher, how, part, tables)


def _unidentified(publisher: Server, how: Publishing, table: TableIdentity) -> Iterator[Obstacle]:
    if not table.identified:
        found, remedy = "no replica identity", _UNIDENTIFIED
        if table.extension:
            found, remedy = f"no replica identity (extension {table.extension})", _EXTENSION
        yield _obstacle("unidentified-table", how, table, found, remedy)
    computed = [column for column in table.identity if column in table.generated]
    if computed and publisher.facts.major >= _GENERATED_SINCE:
        found = f"generated columns in its replica identity: {', '.join(computed)}"
        yield _obstacle("outside-identity", how, table, found, _GENERATED)


def _part(
    publisher: Server, how: Publishing, part: PublishedTable, tables: Mapping[Named, TableIdentity]
) -> Iterator[Obstacle]:
    table = tables.get((part.schema, part.name))
    if table is None:
        return
    if table.kind == "p" and not how.via_root:
        found = "a row filter or column list of a partitioned table"
        yield _obstacle("outside-identity", how, table, found, _ROOT)
        return
    try:
        read = _columns_read(publisher, how.database, table, part.where)
    except QueryFailed as refused:
        yield _obstacle("outside-identity", how, table, f"row filter: {refused.message}", "Correct it.")
        return
    for leaf in leaves(table, tables.values()) if how.changes_rows else ():
        yield from _outside(how, how.judged(leaf), part, read)


def _outside(
    how: Publishing, table: TableIdentity, part: PublishedTable, read: Sequence[str]
) -> Iterator[Obstacle]:
    outside = [column for column in read if column not in table.identity]
    if outside:
        found = f"the row filter reads {', '.join(outside)}; the replica identity is {table.identity_text}"
        yield _obstacle("outside-identity", how, table, found, _WITHIN)
    if not part.columns:
        return
    if table.form == FULL:
        found = "a column list, and the replica identity is FULL"
        yield _obstacle(
            "outside-identity",
            how,
            table,
            found,
            "Give the table a key, publish all columns, or only inserts.",
        )
    elif lacking := [column for column in table.identity if column not in part.columns]:
        found = f"the column list lacks {', '.join(lacking)} of the replica identity {table.identity_text}"
        yield _obstacle("outside-identity", how, table, found, f"Add {', '.join(lacking)} to the columns.")


def _columns_read(publisher: Server, database: str, table: TableIdentity, where: str) -> list[str]:
    """Return the columns that a row filter reads: those without which the server rejects it.

    The filter is only planned (EXPLAIN), never executed. Raises QueryFailed for an invalid filter.
    """
    if not where or not publisher.present:
        return []
    _explain(publisher, database, table, table.columns, where)
    found = []
    for column in table.columns:
        try:
            _explain(publisher, database, table, [c for c in table.columns if c != column], where)
        except QueryFailed as failed:
            if failed.sqlstate != _UNDEFINED_COLUMN:
                raise
            found.append(column)
    return found


def _explain(
    publisher: Server, database: str, table: TableIdentity, columns: Sequence[str], where: str
) -> None:
    listed = join(", ", [identifier(column) for column in columns])
    text = compose(where.replace("{", "{{").replace("}", "}}"))
    statement = compose(_EXPLAIN, listed, identifier(*table.named), identifier(table.table), text).as_string(
        None
    )
    # A parameter makes it a single statement, whatever the filter's text is; a name may contain a %, too.
    publisher.query(statement.replace("%", "%%") + " LIMIT %s", [0], database=database)


def _unfound(
    how: Publishing, ours: Mapping[Named, TableIdentity], theirs: Mapping[Named, TableIdentity]
) -> Iterator[Obstacle]:
    """Yield tables whose rows the subscriber cannot find by a key; a missing table is reported elsewhere."""
    if not how.changes_rows:
        return
    sent = {
        sent_as(how.holds, table, via_root=how.via_root) for table in published_by(how.holds, ours.values())
    }
    for named in sorted(sent & theirs.keys()):
        sender = how.judged(ours[named])
        wrong = [leaf for leaf in leaves(theirs[named], theirs.values()) if not arrives(sender, leaf)]
        if wrong and sender.identified:
            by = f"({', '.join(wrong[0].found_by)})" if wrong[0].found_by else "no key"
            found = f"the publisher sends {sender.identity_text}, the subscriber finds rows by {by}"
            yield _obstacle("cannot-arrive", how, wrong[0], found, _MATCH)


def _obstacle(kind: Kind, how: Publishing, table: TableIdentity, found: str, remedy: str) -> Obstacle:
    words = f"{table.schema}.{table.table}"
    return Obstacle(kind, how.database, words, found, remedy, table.extension or "")
