"""The row that a conflict is about, as it stands on either side, found by the key that the log names."""

from __future__ import annotations

import re

from pgnb.errors import PgnbError
from pgnb.logical.catalog import Named
from pgnb.server import Server, compose, join, name

_COLUMN = re.compile(r'"(?:[^"]|"")+"|[^,\s]+')
_LONGEST = 300
"""Characters of a row that are shown."""


def row_words(server: Server, database: str, table: Named, columns: str, values: str) -> str:
    """The row with that key, as JSON, or why it is not shown.

    `columns` and `values` are as DETAIL has them: `a, "B"` and `1, x`. A value with a comma in it cannot be
    told from two values: then no row is looked for.
    """
    names = [_plain(column) for column in _COLUMN.findall(columns)]
    texts = [values] if len(names) == 1 else values.split(", ")
    if not names or len(texts) != len(names):
        return f"the row ({columns}) = ({values}) cannot be looked for by its key"
    terms = [compose("r.{} = {}", name(column), text) for column, text in zip(names, texts, strict=True)]
    statement = compose(
        "SELECT pg_catalog.row_to_json(r)::text AS row FROM {} AS r WHERE {} LIMIT 1",
        name(*table), join(" AND ", terms),
    )  # fmt: skip
    try:
        rows = server.query(statement, database=database)
    except PgnbError as error:
        return f"the row cannot be read: {error.message}"
    text = str(rows[0]["row"]) if rows else "no such row"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _plain(column: str) -> str:
    return column[1:-1].replace('""', '"') if column.startswith('"') else column
