"""What a publication is to hold: all tables, schemas, or tables with row filters and column lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pgnb.core.display import format_table
from pgnb.core.errors import ParameterError

_PART = r'"(?:[^"]|"")+"|[^".\s][^".]*'
_QUALIFIED = re.compile(rf"(?:(?P<schema>{_PART})\.)?(?P<name>{_PART}|\*)\Z")
_KEYS = {"table", "columns", "where"}
ALL_OPERATIONS = "insert, update, delete, truncate"
_EXCEPT = "except"
_FORMS = (
    '"all", or a list of "table", "schema.table", "schema.*",'
    ' {"table": "schema.table", "columns": ["a", "b"], "where": "a > 0"} or {"except": ["schema.table"]},'
    ' alone (all tables but these) or beside "schema.*"; a name that contains a dot or a quote is written'
    ' in double quotes, "My.Table"; any other name is used as it is'
)


Named = tuple[str, str]
"""A schema and a name in it."""


@dataclass(frozen=True)
class PublishedTable:
    """One table of a publication; no columns: all of them; `where`: SQL that selects the rows (since 15).

    `only`: without the tables that inherit from it, which PostgreSQL otherwise publishes with it.
    """

    schema: str
    name: str
    columns: tuple[str, ...] = ()
    where: str = ""
    only: bool = field(default=False, compare=False)

    @property
    def summary(self) -> str:
        """The table's name, without its schema if that is public, with columns and filter."""
        table = format_table(self.schema, self.name)
        columns = f" ({', '.join(self.columns)})" if self.columns else ""
        return f"{table}{columns}{f' WHERE {self.where}' if self.where else ''}"


MARKER = PublishedTable("pgnb", "marker")
"""The table whose rows show that replication works; published with everything else."""


@dataclass(frozen=True)
class PublicationSpec:
    """All tables, or every table of some schemas (since 15) and some tables.

    `excluded` are tables (schema, name; * for each of the schema) that are left out: `exclude_tables` lists
    the others, and `requested` is then what was requested, as text.
    """

    all_tables: bool = True
    schemas: tuple[str, ...] = ()
    tables: tuple[PublishedTable, ...] = ()
    excluded: tuple[Named, ...] = field(default=(), compare=False)
    requested: str = field(default="", compare=False)

    @property
    def summary(self) -> str:
        """What is published, in one line."""
        if self.requested:
            return self.requested
        if self.all_tables:
            return "all tables"
        schemas = [f"every table of {schema}" for schema in self.schemas]
        return ", ".join([*schemas, *(table.summary for table in self.tables if table != MARKER)])

    @property
    def later(self) -> str:
        """What happens to tables created later, if some are excluded."""
        where = f", but in the schemas {', '.join(self.schemas)}" if self.schemas else ""
        return f"tables created later are not published{where}"

    @property
    def needs_15(self) -> bool:
        """Whether it needs PostgreSQL 15: schemas, row filters, column lists."""
        return bool(self.schemas) or any(t.columns or t.where for t in self.tables)


def parse_publication_spec(published: Any) -> PublicationSpec:
    """Return the spec of a notebook's parameter, with the marker table.

    Raises ParameterError, which lists the valid forms.
    """
    if published == "all":
        return PublicationSpec()
    if not isinstance(published, Sequence) or isinstance(published, str) or not published:
        raise _unusable(published)
    schemas, tables, excluded = [], [], []
    for entry in published:
        if isinstance(entry, Mapping) and _EXCEPT in entry:
            excluded += _excluded(entry)
            continue
        table = _table_of(entry)
        if table.name == "*":
            schemas.append(table.schema)
        else:
            tables.append(table)
    names = [(table.schema, table.name) for table in tables]
    if len(set(names)) < len(names):
        raise ParameterError("a table is named twice", found=", ".join(t.summary for t in tables))
    if excluded and tables and not schemas:
        raise _unusable(published)
    every = bool(excluded) and not schemas
    return PublicationSpec(
        every, tuple(dict.fromkeys(schemas)), (*tables, MARKER), tuple(dict.fromkeys(excluded))
    )


def _excluded(entry: Mapping[str, Any]) -> list[Named]:
    names = entry[_EXCEPT]
    if set(entry) != {_EXCEPT} or not isinstance(names, list | tuple) or not names:
        raise _unusable(entry)
    if not all(isinstance(name, str) for name in names):
        raise _unusable(entry)
    return [qualified(name) for name in names]


def exclusion(database: str, tables: Sequence[Named]) -> str:
    """Return what excludes those tables, as a line of a parameter file."""
    names = ", ".join(f"{_quoted(schema)}.{_quoted(table)}" for schema, table in tables)
    return f"publish: {{{database}: [{{except: [{names}]}}]}}"


def _quoted(part: str) -> str:
    return part if re.fullmatch(r"[^\W\d]\w*", part) else '"{}"'.format(part.replace('"', '""'))


def operations_of(given: str) -> str:
    """Return the operations of a notebook's parameter as a publication has them, in PostgreSQL's order.

    Raises ParameterError for none, and for an unknown operation.
    """
    named = {word.strip().lower() for word in given.split(",") if word.strip()}
    known = ALL_OPERATIONS.split(", ")
    if not named or named - set(known):
        raise ParameterError(
            "operations that cannot be published",
            found=repr(given),
            remedy=f"Name some of {ALL_OPERATIONS}, separated by commas.",
        )
    return ", ".join(word for word in known if word in named)


def _table_of(entry: Any) -> PublishedTable:
    if isinstance(entry, str):
        return PublishedTable(*qualified(entry))
    if not isinstance(entry, Mapping) or not isinstance(entry.get("table"), str) or set(entry) - _KEYS:
        raise _unusable(entry)
    columns = tuple(str(column) for column in entry.get("columns") or ())
    table = PublishedTable(*qualified(entry["table"]), columns, str(entry.get("where") or ""))
    if table.name == "*" and (table.columns or table.where):
        raise _unusable(entry)
    return table


def qualified(text: str) -> tuple[str, str]:
    """Return schema and name of a text like `schema.table`; without a schema it is public.

    Case is kept: unlike in SQL, nothing is folded. Raises ParameterError.
    """
    match = _QUALIFIED.match(text)
    if match is None:
        raise _unusable(text)
    return _bare(match["schema"] or "public"), _bare(match["name"])


def _bare(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


def _unusable(entry: Any) -> ParameterError:
    return ParameterError("this cannot be published", found=repr(entry), remedy=f"Write {_FORMS}.")
