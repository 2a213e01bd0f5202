"""Whether two row filters are the same; the server's own printed form decides."""

from __future__ import annotations

from pgnb.logical.publication_spec import PublishedTable
from pgnb.postgres import Server, compose, identifier

_PROBE = "pgnb_filter_probe"
_PRINTED = """
SELECT pg_catalog.pg_get_expr(r.prqual, r.prrelid) AS printed
  FROM pg_catalog.pg_publication_rel AS r
  JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid
 WHERE p.pubname = %s
"""


def same_filter(publisher: Server, database: str, found: PublishedTable, desired: str) -> bool:
    """Return whether a published table's filter, as the server prints it, is the desired one.

    If the texts differ, the server prints the desired filter, in a transaction that is rolled back; a
    plan-only run, which writes nothing, compares the texts. Raises QueryFailed for an invalid filter.
    """
    if _bare(found.where) == _bare(desired):
        return True
    if not (found.where and desired) or publisher.journal.dry_run:
        return False
    return _bare(found.where) == _bare(_printed(publisher, database, found, desired))


def _printed(publisher: Server, database: str, table: PublishedTable, desired: str) -> str:
    with publisher.new_session(database) as session:
        session.execute("BEGIN")
        filter_ = compose(desired.replace("{", "{{").replace("}", "}}"))
        session.execute(
            compose(
                "CREATE PUBLICATION {} FOR TABLE {} WHERE ({})",
                identifier(_PROBE),
                identifier(table.schema, table.name),
                filter_,
            )
        )
        printed = session.execute(_PRINTED, (_PROBE,))[0]["printed"]
        session.execute("ROLLBACK")
    return str(printed)


def _bare(text: str) -> str:
    """Return the text without surrounding spaces and parentheses."""
    text = " ".join(text.split())
    while text.startswith("(") and text.endswith(")") and _closes_at_end(text):
        text = text[1:-1].strip()
    return text


def _closes_at_end(text: str) -> bool:
    depth = 0
    for place, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0:
            return place == len(text) - 1
    return False
