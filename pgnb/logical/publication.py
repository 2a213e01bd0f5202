"""Publications as a database's catalog describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pgnb.logical.publication_spec import ALL_OPERATIONS, PublicationSpec, PublishedTable
from pgnb.postgres import Server


@dataclass(frozen=True)
class Publication:
    """One publication: what it holds, what it sends, and whether partitions are sent as their root.

    Row filters are as the server prints them.
    """

    name: str
    holds: PublicationSpec
    operations: str
    via_root: bool

    @property
    def summary(self) -> str:
        """What it holds and, if it does not send all operations, what it sends."""
        sends = "" if self.operations == ALL_OPERATIONS else f"; sends only {self.operations or 'nothing'}"
        return f"{self.holds.summary or 'no tables'}{sends}"


@dataclass(frozen=True)
class Published:
    """One table that a publication publishes now; estimates are from the last ANALYZE, `bytes` is its size.

    `where`: its row filter; `listed`: whether it has a column list.
    """

    schema: str
    table: str
    where: str | None
    listed: bool
    rows_estimated: int
    bytes: int


def read_publications(server: Server, database: str) -> dict[str, Publication]:
    """Read the publications of one database by name. Source: pg_publication, its tables and schemas.

    Raises QueryFailed.
    """
    rows = server.query("logical/publications", database=database)
    return {row["name"]: _publication_of(row) for row in rows}


def published_tables(server: Server, database: str, publication: str) -> tuple[Published, ...]:
    """Return the tables that a publication publishes now; empty if it does not exist."""
    rows = server.query("logical/published_tables", {"publication": publication}, database=database)
    return tuple(Published(**row) for row in rows)


def _publication_of(row: Mapping[str, Any]) -> Publication:
    tables = tuple(
        PublishedTable(t["schema"], t["name"], tuple(t["columns"]), t["where"], only=True)
        for t in row["tables"]
    )
    holds = PublicationSpec(row["all_tables"], tuple(row["schemas"]), tables)
    return Publication(row["name"], holds, row["operations"], row["via_root"])
