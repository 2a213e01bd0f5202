"""The tables of a database as its catalog describes them: what decides whether a replicated row fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pgnb.core.display import format_table
from pgnb.logical.table_identity import Named as Named
from pgnb.logical.table_identity import TableIdentity, read_identities
from pgnb.postgres import Server, Session
from pgnb.postgres.queries import sql_of


@dataclass(frozen=True)
class Column:
    """One column. `identity`: a (always), d (by default) or empty; `generated`: s, v (since 18) or empty.

    `default` is the expression as the server prints it; for a generated column, the generation expression.
    """

    name: str
    type: str
    not_null: bool
    identity: str
    generated: str
    default: str | None

    @property
    def fills_itself(self) -> bool:
        """Whether a row that lacks this column is accepted."""
        return not self.not_null or bool(self.identity or self.generated) or self.default is not None


@dataclass(frozen=True)
class TableShape:
    """One table: its columns in order, and what can reject a row.

    `kind` is r (ordinary) or p (partitioned), `persistence` p or u (unlogged), `replica_identity` d, n, f or
    i. `published`: whether any publication of that server includes it; `keys` maps names to definitions.
    """

    schema: str
    name: str
    kind: str
    persistence: str
    replica_identity: str
    partition: bool
    published: bool
    keys: Mapping[str, str]
    columns: Mapping[str, Column] = field(repr=False)

    @property
    def summary(self) -> str:
        """The table's name; without its schema if that is public."""
        return format_table(self.schema, self.name)


@dataclass(frozen=True)
class Catalog:
    """The tables and enumerations of one database, and by what UPDATE and DELETE find each table's rows."""

    database: str
    tables: Mapping[Named, TableShape]
    enums: Mapping[Named, tuple[str, ...]]
    identities: Mapping[Named, TableIdentity] = field(default_factory=dict)


def read_catalog(server: Server, database: str) -> Catalog:
    """Read the catalog of one database, in a session of its own in which names are schema-qualified.

    Source: pg_class, pg_attribute, pg_attrdef, pg_constraint, pg_index, pg_enum, pg_publication_tables.
    Raises ConnectionFailed, QueryFailed. An absent server has no tables.
    """
    if not server.present:
        return Catalog(database, {}, {})
    with server.new_session(database) as session:
        session.execute("SET search_path = pg_catalog")
        columns = _columns(server, session)
        tables = {}
        for row in session.query(sql_of("logical/schema_tables", server.facts.major)):
            keys = {**row.pop("keys"), **row.pop("unique_indexes")}
            key = (row["schema"], row.pop("table"))
            tables[key] = TableShape(name=key[1], keys=keys, columns=columns.get(key, {}), **row)
        enums = {
            (row["schema"], row["type"]): tuple(row["labels"])
            for row in session.query(sql_of("logical/schema_enums", server.facts.major))
        }
    return Catalog(database, tables, enums, read_identities(server, database))


def _columns(server: Server, session: Session) -> dict[Named, dict[str, Column]]:
    found: dict[Named, dict[str, Column]] = {}
    for row in session.query(sql_of("logical/schema_columns", server.facts.major)):
        column = row.pop("column")
        place = found.setdefault((row.pop("schema"), row.pop("table")), {})
        place[column] = Column(name=column, **row)
    return found
