"""Rows of a query, independent of the driver: dictionaries, displayed as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pgnb.core.display import Table

Row = dict[str, Any]
Params = Sequence[Any] | Mapping[str, Any] | None


class Rows(list[Row]):
    """The rows of a query, as dictionaries; displayed as a table."""

    def __init__(self, rows: Sequence[Row] = (), columns: Sequence[str] = ()) -> None:
        super().__init__(rows)
        self.columns = tuple(columns)

    @property
    def table(self) -> Table:
        """The rows under their columns' names."""
        rows = [tuple(row.values()) for row in self]
        return Table.of(self.columns, rows, note="" if rows else "no rows")

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def __str__(self) -> str:
        return str(self.table)
