"""Empty tables of the subscriber before they are copied again; only those that are named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pgnb.core.plan import Step
from pgnb.logical.table_identity import Named, read_identities
from pgnb.postgres import Server, compose, identifier, join
from pgnb.postgres.session import Statement

_NO_LIMIT = 0.0


def empty_tables(subscriber: Server, database: str, tables: Sequence[Named]) -> str:
    """Remove every row of the tables, in one transaction; return how.

    Uses TRUNCATE or, if a foreign key of another table forbids that, DELETE as a replica, which fires no
    trigger and cascades to nothing: referring rows remain, and the rows that they refer to return with the
    copy. Raises QueryFailed; then nothing was removed.
    """
    if not tables:
        return "no table to empty"
    names = _names(subscriber, database, tables)
    if _referrers(subscriber, database, tables):
        statements, how = _deletes(names), "by DELETE: other tables refer to them"
    else:
        statements = [compose("TRUNCATE TABLE {}", join(", ", names))]
        how = "by TRUNCATE"
    with subscriber.new_session(database, statement_timeout=_NO_LIMIT) as session:
        session.execute("BEGIN")
        for statement in statements:
            session.execute(statement)
        session.execute("COMMIT")
    return f"{len(tables)} emptied {how}"


def empty_step(subscriber: Server, database: str, tables: Sequence[Named]) -> Step:
    """Return the step that empties the tables."""
    listed = ", ".join(f"{schema}.{table}" for schema, table in tables)
    what = f"{database}: remove every row of {listed or 'no table'}"
    return Step(subscriber.name, what, lambda: empty_tables(subscriber, database, tables))


def _referrers(subscriber: Server, database: str, tables: Sequence[Named]) -> bool:
    named = {"schemas": [schema for schema, _ in tables], "tables": [table for _, table in tables]}
    return bool(subscriber.query("logical/referrers", named, database=database))


def _deletes(names: Sequence[Any]) -> list[Statement]:
    as_replica: Statement = "SET LOCAL session_replication_role = replica"
    return [as_replica, *(compose("DELETE FROM {}", one) for one in names)]


def _names(subscriber: Server, database: str, tables: Sequence[Named]) -> list[Any]:
    """Return the tables as a statement names them: inheriting tables keep their rows, partitions do not."""
    known = read_identities(subscriber, database)
    partitioned = {table.named for table in known.values() if table.kind == "p"}
    return [identifier(*t) if t in partitioned else compose("ONLY {}", identifier(*t)) for t in tables]
