"""The row of a conflict on both servers, found by the key that the log names."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from pgnb.core.errors import PgnbError
from pgnb.logical.catalog import Named
from pgnb.postgres import Server, compose, identifier, join

_COLUMN = re.compile(r'"(?:[^"]|"")+"|[^,\s]+')
_LONGEST = 300
"""Characters of a row that are shown."""


def row_pair(
    servers: Sequence[Server], database: str, table: Named, columns: str, values: str, *, show: bool
) -> tuple[str, ...]:
    """Return the row with that key on each server, as text; without `show`, none of its values.

    Then only its existence is told, and the columns in which the servers differ. `columns` and `values` as
    for `row_text`.
    """
    found = [row_text(server, database, table, columns, values) for server in servers]
    if show:
        short = [text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…" for text in found]
        return tuple(f"on {server.name}: {text}" for server, text in zip(servers, short, strict=True))
    rows = [_parsed(words) for words in found]
    lines = [
        f"on {server.name}: {words if row is None else 'there (show_rows = True shows it)'}"
        for server, words, row in zip(servers, found, rows, strict=True)
    ]
    both = [row for row in rows if row is not None]
    if len(both) == 2:
        here, there = both
        unlike = [name for name in {**here, **there} if here.get(name) != there.get(name)]
        lines.append(f"different columns: {', '.join(unlike) or 'none'}")
    return tuple(lines)


def _parsed(words: str) -> dict[str, object] | None:
    return json.loads(words) if words.startswith("{") else None


def row_text(server: Server, database: str, table: Named, columns: str, values: str) -> str:
    """Return the row with that key, as JSON, or why it is not there.

    `columns` and `values` are as DETAIL has them: `a, "B"` and `1, x`. A value that contains a comma cannot
    be told from two values: then no row is looked for.
    """
    names = [_plain(column) for column in _COLUMN.findall(columns)]
    texts = [values] if len(names) == 1 else values.split(", ")
    if not names or len(texts) != len(names):
        return f"the row with that key ({columns}) cannot be looked for"
    terms = [
        compose("r.{} = {}", identifier(column), text) for column, text in zip(names, texts, strict=True)
    ]
    statement = compose(
        "SELECT pg_catalog.row_to_json(r)::text AS row FROM {} AS r WHERE {} LIMIT 1",
        identifier(*table),
        join(" AND ", terms),
    )
    try:
        rows = server.query(statement, database=database)
    except PgnbError as error:
        return f"the row cannot be read: {error.message}"
    return str(rows[0]["row"]) if rows else "no such row"


def _plain(column: str) -> str:
    return column[1:-1].replace('""', '"') if column.startswith('"') else column
