"""Replica identity: without one, UPDATE and DELETE fail on the publisher once a table is published (Q1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pgnb.display import spell_bytes
from pgnb.logical.parallel import each, in_parallel
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.wishes import Wish
from pgnb.plan import Change, Confirmation, Step
from pgnb.server import Server, compose, name
from pgnb.server.session import spell_statement

_LOCK_TIMEOUT = "5s"
"""The statement takes the table's strongest lock; behind a long reader it would hold up everybody else."""


@dataclass(frozen=True)
class Unidentified:
    """A table that has no replica identity; `index`: a unique index that may serve; `bytes` its size."""

    database: str
    schema: str
    table: str
    bytes: int
    index: str | None

    @property
    def words(self) -> str:
        """The table in a reader's words; the schema public goes without saying."""
        table = self.table if self.schema == "public" else f"{self.schema}.{self.table}"
        return f"{self.database}: {table}"

    @property
    def statement(self) -> Any:
        """What gives it one: the index where there is one, else the whole row."""
        which = compose("USING INDEX {}", name(self.index)) if self.index else compose("FULL")
        return compose("ALTER TABLE {} REPLICA IDENTITY {}", name(self.schema, self.table), which)


def unidentified_tables(publisher: Server, specs: Sequence[DatabaseSpec]) -> tuple[Unidentified, ...]:
    """The tables that are to be published and lack a replica identity. Source: pg_class, pg_index (Q1)."""
    found = in_parallel(lambda spec: _of_database(publisher, spec), specs)
    return tuple(table for tables in found for table in tables)


def _of_database(publisher: Server, spec: DatabaseSpec) -> list[Unidentified]:
    return [
        Unidentified(spec.database, row["schema"], row["table"], row["bytes"], row["index"])
        for row in publisher.query("logical/identity", database=spec.database)
        if _wished(spec.wish, [(row["schema"], row["table"]), *map(tuple, row["roots"])])
    ]


def _wished(wish: Wish, names: Sequence[tuple[str, ...]]) -> bool:
    listed = {(table.schema, table.name) for table in wish.tables}
    return wish.all_tables or any(n in listed or n[0] in wish.schemas for n in names)


def plan_replica_identity(publisher: Server, specs: Sequence[DatabaseSpec]) -> Change:
    """The plan that gives every published table a replica identity: its unique index, else FULL.

    FULL writes whole old rows into the WAL, and the subscriber looks each up by its whole content. Asks for
    `allow_replica_identity = True`, since it alters the publisher's tables.
    """
    tables = unidentified_tables(publisher, specs)

    def run() -> str:
        each(lambda table: _alter(publisher, table), tables, lambda table: table.words, at_once=4)
        return f"{len(tables)} altered"

    words = "\n".join(f"{t.database}: {spell_statement(t.statement)}" for t in tables)
    steps = [Step(publisher.name, words, run, journalled=True)] if tables else []
    why = "Published without a replica identity, these tables refuse UPDATE and DELETE."
    return Change(
        f"replica identity on {publisher.name}", publisher.journal,
        "".join(f"{t.words}: none ({spell_bytes(t.bytes)})\n" for t in tables),
        "".join(f"{t.words}: {t.index or 'FULL'}\n" for t in tables), steps,
        undo_text="ALTER TABLE ... REPLICA IDENTITY DEFAULT" if tables else "",
        confirmations=[Confirmation("allow_replica_identity", True, why)] if tables else (),
        undo=lambda: _plan_undo(publisher, tables),
    )  # fmt: skip


def _plan_undo(publisher: Server, tables: Sequence[Unidentified]) -> Change:
    def back(table: Unidentified) -> None:
        statement = compose("ALTER TABLE {} REPLICA IDENTITY DEFAULT", name(table.schema, table.table))
        publisher.execute(statement, database=table.database)

    def run() -> str:
        each(back, tables, lambda table: table.words, at_once=4)
        return f"{len(tables)} altered"

    step = Step(publisher.name, "ALTER TABLE ... REPLICA IDENTITY DEFAULT", run, journalled=True)
    why = "While they are published, UPDATE and DELETE on these tables fail from then on."
    return Change(
        f"undo: replica identity on {publisher.name}", publisher.journal, steps=[step],
        confirmations=[Confirmation("drop_replica_identity", True, why)],
    )  # fmt: skip


def _alter(publisher: Server, table: Unidentified) -> None:
    what = f"{table.database}: {spell_statement(table.statement)}"
    with publisher.journal.act(publisher.name, what), publisher.new_session(table.database) as session:
        session.execute(compose("SET lock_timeout = {}", _LOCK_TIMEOUT))
        session.execute(table.statement)
