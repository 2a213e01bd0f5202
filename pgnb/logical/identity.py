"""Replica identity: without one, UPDATE and DELETE of a published table fail on the publisher.

The subscriber gets the publisher's before a publication exists: without a key that the publisher sends, its
apply worker stops at the first UPDATE (fact Q1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_bytes
from pgnb.core.parallel import map_parallel, run_all
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.table_identity import (
    DEFAULT,
    FULL,
    Named,
    TableIdentity,
    leaves,
    published_by,
    read_identities,
    sent_as,
)
from pgnb.logical.targets import databases_of
from pgnb.logical.updates import as_desired
from pgnb.postgres import Server, compose, identifier
from pgnb.postgres.session import statement_text

_LOCK_TIMEOUT = "5s"
"""The statement takes the strongest lock; while it waits for a long reader, all others wait, too."""
_FORMS = {DEFAULT: "DEFAULT", FULL: "FULL", "n": "NOTHING"}


@dataclass(frozen=True)
class IdentityChange:
    """A table whose replica identity is set: to an index by name, or to `form` (DEFAULT, FULL, NOTHING)."""

    database: str
    now: TableIdentity
    form: str
    index: str | None = None

    @property
    def summary(self) -> str:
        """Database and table."""
        return f"{self.database}: {self.now.summary}"

    @property
    def statement(self) -> Any:
        """The statement that sets it."""
        which = compose("USING INDEX {}", identifier(self.index)) if self.index else compose(self.form)
        return compose("ALTER TABLE ONLY {} REPLICA IDENTITY {}", identifier(*self.now.named), which)

    @property
    def back(self) -> IdentityChange:
        """The change that restores the previous one."""
        key = self.now.key
        index = key.name if key and self.now.form == "i" else None
        return IdentityChange(self.database, self.now, _FORMS.get(self.now.form, "DEFAULT"), index)


def tables_without_identity(publisher: Server, specs: Sequence[DatabaseSpec]) -> tuple[IdentityChange, ...]:
    """Return the tables to be published that lack a replica identity, and what would give them one.

    A table without a suitable index gets FULL; a table of an extension is left to the extension. With
    `via_root` partitioned tables are included. Source: pg_class, pg_index (fact Q1).
    """
    found = map_parallel(lambda spec: list(_lacking(publisher, spec)), specs)
    return tuple(table for tables in found for table in tables)


def _lacking(publisher: Server, spec: DatabaseSpec) -> Iterator[IdentityChange]:
    if "update" not in spec.operations and "delete" not in spec.operations:
        return
    tables = read_identities(publisher, spec.database)
    chosen = {table.named: table for table in published_by(spec.desired, tables.values())}
    for table in list(chosen.values()):
        sender = sent_as(spec.desired, table, via_root=spec.via_root)
        chosen[sender] = tables[sender]
    for table in chosen.values():
        if not table.identified and not table.extension:
            key = table.with_identity().key
            yield IdentityChange(spec.database, table, "FULL", key.name if key else None)


def plan_replica_identity(publisher: Server, specs: Sequence[DatabaseSpec]) -> Change:
    """Plan to give every published table a replica identity: its unique index, else FULL.

    FULL writes whole old rows into the WAL, and the subscriber looks each up by its whole content. Asks for
    `allow_replica_identity = True`, because it alters the publisher's tables.
    """
    tables = tables_without_identity(publisher, specs)
    why = "Published without a replica identity, these tables reject UPDATE and DELETE."
    change = _plan(publisher, f"replica identity on {publisher.name}", tables)
    change.confirmations = [Confirmation("allow_replica_identity", True, why)] if tables else ()
    change.undo = lambda: _plan_undo(publisher, tables)
    return change


def plan_subscriber_identity(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Change:
    """Plan to give the subscriber's tables, each partition included, the publisher's replica identity.

    Index names may differ: any index over the same columns is used. Applying checks that each table has one.
    A table that the subscriber lacks is left out. Raises QueryFailed.
    """
    there = databases_of(subscriber)
    found = map_parallel(lambda spec: _unlike(publisher, subscriber, spec, there), specs)
    altered = [table for tables, _ in found for table in tables]
    unmatched = [one for _, words in found for one in words]
    change = _plan(subscriber, f"replica identity on {subscriber.name}", altered)
    change.note = f"No index over the same columns: {'; '.join(unmatched)}." if unmatched else change.note
    change.precheck = lambda: _matched(publisher, subscriber, specs)
    change.undo = lambda: _plan(subscriber, f"undo: {change.title}", [one.back for one in altered])
    return change


def identity_checks(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Checks:
    """Check, by database, that the published tables have the same replica identity on both servers."""
    there = databases_of(subscriber)

    def look(spec: DatabaseSpec) -> Check:
        altered, unmatched = _unlike(publisher, subscriber, spec, there)
        wrong = [*unmatched, *(f"{one.now.summary}: {one.now.identity_text}" for one in altered)]
        words = "; ".join(wrong[:5]) or "the publisher's"
        return Check(f"{spec.database}: replica identity", not wrong, words, "the publisher's", _UNMATCHED)

    items = map_parallel(look, specs)
    return Checks.of("Replica identity on both servers", items, publisher.journal)


_UNMATCHED = (
    "Create a unique index over the same NOT NULL columns on the subscriber, and run this again; or set"
    " REPLICA IDENTITY FULL on the publisher's table."
)


def _matched(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Checks:
    there = databases_of(subscriber)
    found = map_parallel(lambda spec: _unlike(publisher, subscriber, spec, there), specs)
    wrong = [words for _, unmatched in found for words in unmatched]
    check = Check(
        "an index for each replica identity", not wrong, "; ".join(wrong) or "present", "present", _UNMATCHED
    )
    return Checks.of(f"Replica identity on {subscriber.name}", [check], subscriber.journal)


def _unlike(
    publisher: Server, subscriber: Server, spec: DatabaseSpec, there: frozenset[str]
) -> tuple[list[IdentityChange], list[str]]:
    """Return what is altered on the subscriber, and, as text, the tables without a suitable index."""
    if spec.database not in there:
        return [], []
    ours, theirs = read_identities(publisher, spec.database), read_identities(subscriber, spec.database)
    altered, unmatched = [], []
    for sender, table in _pairs(spec, ours, theirs):
        one = _matching(spec.database, sender, table)
        if isinstance(one, IdentityChange):
            altered.append(one)
        elif one:
            unmatched.append(one)
    return altered, unmatched


def _pairs(
    spec: DatabaseSpec, ours: Mapping[Named, TableIdentity], theirs: Mapping[Named, TableIdentity]
) -> Iterator[tuple[TableIdentity, TableIdentity]]:
    """Yield each table whose changes are sent, with each of the subscriber's tables that receive them."""
    how = as_desired(spec)
    published = published_by(spec.desired, ours.values())
    senders = dict.fromkeys(sent_as(spec.desired, table, via_root=spec.via_root) for table in published)
    for named in senders:
        if named in theirs:
            sender, there = how.judged(ours[named]), theirs[named]
            for table in leaves(there, theirs.values()):
                yield sender, table
            # Rows are in the partitions; the partitioned table gets it if possible, for reverse replication.
            if there.kind == "p" and isinstance(_matching(spec.database, sender, there), IdentityChange):
                yield sender, there


def _matching(database: str, sender: TableIdentity, table: TableIdentity) -> IdentityChange | str | None:
    """Return what makes the subscriber's table match; a text if no index can; None if it does already."""
    if not sender.identified or table.extension:
        return None
    if sender.form == FULL:
        return None if table.form == FULL else IdentityChange(database, table, "FULL")
    wanted = set(sender.identity)
    if table.form != FULL and set(table.identity) == wanted:
        return None
    fitting = [index for index in table.indexes if set(index.columns) == wanted]
    if not fitting:
        return f"{table.summary}: {sender.identity_text}"
    index = next((one for one in fitting if one.primary), fitting[0])
    return IdentityChange(database, table, "DEFAULT", None if index.primary else index.name)


def _plan(server: Server, title: str, tables: Sequence[IdentityChange]) -> Change:
    def run() -> str:
        run_all(lambda table: _alter(server, table), tables, lambda table: table.summary, at_once=4)
        return f"{len(tables)} altered"

    words = "\n".join(f"{t.database}: {statement_text(t.statement)}" for t in tables)
    return Change(
        title,
        server.journal,
        "".join(f"{t.summary}: {t.now.identity_text} ({format_bytes(t.now.bytes)})\n" for t in tables),
        "".join(f"{t.summary}: {t.index or t.form}\n" for t in tables),
        [Step(server.name, words, run, journalled=True)] if tables else [],
        undo_text="ALTER TABLE ... REPLICA IDENTITY to the previous value" if tables else "",
    )


def _plan_undo(publisher: Server, tables: Sequence[IdentityChange]) -> Change:
    change = _plan(publisher, f"undo: replica identity on {publisher.name}", [one.back for one in tables])
    why = "While they are published, UPDATE and DELETE on these tables will fail."
    change.confirmations = [Confirmation("drop_replica_identity", True, why)]
    return change


def _alter(server: Server, table: IdentityChange) -> None:
    what = f"{table.database}: {statement_text(table.statement)}"
    with server.journal.act(server.name, what), server.new_session(table.database) as session:
        session.execute(compose("SET lock_timeout = {}", _LOCK_TIMEOUT))
        session.execute(table.statement)
