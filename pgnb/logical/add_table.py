"""Add a table to running replication: on the subscriber, then the publisher, the publication, and REFRESH.

The order matters. A published table that the subscriber lacks stalls every table of the subscription; a table
that both have, without a REFRESH, loses its rows without an error. The same plan repairs a table that was
created on the publisher first: what exists already is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pgnb.core.checks import Check, Checks
from pgnb.core.errors import ChangeFailed, GateClosed, ParameterError
from pgnb.core.plan import Change, Step
from pgnb.logical.catalog import Catalog, Named, TableShape, read_catalog
from pgnb.logical.identity import plan_subscriber_identity
from pgnb.logical.publication import Publication, read_publications
from pgnb.logical.publication_spec import PublicationSpec, PublishedTable, qualified
from pgnb.logical.publications import publication_objects
from pgnb.logical.schema import DUMP_RIGHTS, dump_helper, dump_schema, load
from pgnb.logical.schema_diff import differences
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import Subscription, read_subscriptions
from pgnb.logical.subscriptions import refresh
from pgnb.logical.table_identity import TableIdentity, identities_of, leaves, read_identities
from pgnb.logical.updates import publisher_obstacles
from pgnb.postgres import Rows, Server, compose, identifier
from pgnb.postgres.queries import sql_of
from pgnb.postgres.source import Source

_ENDS_ITSELF = re.compile(r"(?:^|;)\s*(BEGIN|START|COMMIT|END|ROLLBACK|ABORT)\b", re.IGNORECASE)
_ATTACHED = re.compile(r"^ALTER TABLE ONLY .+ ATTACH PARTITION .+;$", re.MULTILINE)
_INDEX_ATTACHED = re.compile(r"^ALTER INDEX .+ ATTACH PARTITION .+;$", re.MULTILINE)
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s'"


@dataclass(frozen=True)
class TableSpec:
    """A table that is to be replicated, as `schema.table`.

    `ddl`: the SQL that creates it, needed if the publisher does not have it yet; it runs in one transaction
    on each server, as `owner` if one is named. `first_rows`: SQL that writes into a newly created table on
    the publisher, so that rows can be seen to arrive. `via_root`: its changes are to be sent as those of the
    partitioned table, which the publication must do already.
    """

    name: str
    ddl: str = ""
    owner: str = ""
    first_rows: str = ""
    via_root: bool = False


@dataclass(frozen=True)
class _NewTable:
    """One table and what exists of it on both servers."""

    publisher: Server
    subscriber: Server
    spec: DatabaseSpec
    table: Named
    ddl: str
    owner: str
    origin: Source
    ours: TableShape | None
    theirs: TableShape | None
    publication: Publication
    subscription: Subscription
    identities: Mapping[Named, TableIdentity]
    """Of the publisher's tables."""
    states: frozenset[Named]
    """The tables that the subscription knows."""

    @property
    def summary(self) -> str:
        return f"{self.table[0]}.{self.table[1]}"

    @property
    def covered(self) -> bool:
        """Whether the publication includes the table as soon as it exists."""
        holds = self.publication.holds
        listed = {(table.schema, table.name) for table in holds.tables}
        return holds.all_tables or self.table[0] in holds.schemas or self.table in listed

    @property
    def parts(self) -> list[Named]:
        """The publisher's tables that hold its rows: its partitions, or itself."""
        here = self.identities.get(self.table)
        return [one.named for one in leaves(here, self.identities.values())] if here else [self.table]

    @property
    def known(self) -> bool:
        """Whether the subscription knows it, by its own name or those of its partitions."""
        wanted = [self.table] if self.publication.via_root else self.parts
        return bool(wanted) and self.states.issuperset(wanted)

    @property
    def branch(self) -> list[Named]:
        """The table and every table below it, as they are dumped."""
        below = [one.named for one in self.identities.values() if self.table in one.roots]
        return [self.table, *below]

    @property
    def alone(self) -> DatabaseSpec:
        """The spec as if the publication held only this table."""
        listed = {(table.schema, table.name): table for table in self.publication.holds.tables}
        only = PublicationSpec(False, (), (listed.get(self.table, PublishedTable(*self.table)),))
        return replace(
            self.spec,
            desired=only,
            operations=self.publication.operations,
            via_root=self.publication.via_root,
        )

    @property
    def dumped(self) -> bool:
        """Whether the subscriber's table is created from the publisher's dump."""
        return self.theirs is None and self.ours is not None

    @property
    def kind(self) -> str:
        """How the publication comes to include it."""
        if self.publication.holds.all_tables:
            return "is for all tables and includes it"
        return "includes it" if self.covered else "lists its tables, so this one is added"


def plan_add_table(
    publisher: Server,
    subscriber: Server,
    spec: DatabaseSpec,
    origin: Source,
    table: TableSpec,
) -> Change:
    """Plan to replicate a table: create it where it is missing, publish, refresh, copy.

    If the publisher has the table, the subscriber's is created from its dump. Raises GateClosed without
    publication or subscription, for a disabled subscription, and for tables that differ so that replication
    stops; ParameterError for the table's SQL.
    """
    work = _look(publisher, subscriber, spec, origin, table)
    _refuse(work)
    _refuse_root(work, table.via_root)
    identity = plan_subscriber_identity(publisher, subscriber, [work.alone])
    steps = [*_table_steps(work), *identity.steps, *_publication_steps(work), *_refresh_steps(work)]
    if work.ours is None and table.first_rows.strip():
        steps.append(_rows_step(work, table.first_rows))
    return Change(
        f"add {work.summary} to {spec.database}",
        publisher.journal,
        _state(work),
        _desired(work) if steps else _state(work),
        steps,
        note=f"The publication {spec.publication} {work.kind}.",
        undo_text="remove the table from the publication, REFRESH, and drop it where this created it",
        precheck=lambda: _checks(work),
    )


def _look(
    publisher: Server, subscriber: Server, spec: DatabaseSpec, origin: Source, desired: TableSpec
) -> _NewTable:
    table = qualified(desired.name)
    subscription = read_subscriptions(subscriber, spec.database).get(spec.subscription)
    publication = read_publications(publisher, spec.database).get(spec.publication)
    if subscription is None or publication is None:
        missing = spec.subscription if subscription is None else spec.publication
        raise GateClosed(
            f"{spec.database} is not replicated yet",
            found=f"there is no {missing}",
            remedy="12_00_logical_replication (section 12.4) sets it up, this table included.",
        )
    named = {"subscription": spec.subscription}
    rows = subscriber.query("logical/subscription_tables", named, database=spec.database)
    return _NewTable(
        publisher,
        subscriber,
        spec,
        table,
        desired.ddl.strip(),
        desired.owner,
        origin,
        read_catalog(publisher, spec.database).tables.get(table),
        read_catalog(subscriber, spec.database).tables.get(table),
        publication,
        subscription,
        read_identities(publisher, spec.database),
        frozenset((row["schema"], row["table"]) for row in rows),
    )


def _refuse(work: _NewTable) -> None:
    if work.ours is None and not work.ddl:
        raise ParameterError(
            f"{work.spec.database}: {work.summary} is not on the publisher",
            found="no SQL that creates it",
            remedy="Set table_ddl to its CREATE TABLE, or correct the name: names are case-sensitive here.",
        )
    if work.ddl and _ENDS_ITSELF.search(work.ddl):
        raise ParameterError(
            "the table's SQL begins or ends a transaction",
            found=work.ddl[:80],
            remedy="Remove that: the SQL runs in one transaction on each server.",
        )
    if not work.subscription.enabled:
        raise GateClosed(
            f"{work.spec.database}: {work.subscription.name} is disabled, so nothing can be copied",
            found=work.subscription.summary,
            remedy="Enable it first (12_09_logical_troubleshooting).",
        )
    if work.ours is not None and work.theirs is not None and (wrong := _stopping(work)):
        raise GateClosed(
            f"{work.spec.database}: {work.summary} differs between the servers, so its rows cannot arrive",
            found=wrong,
            remedy="Alter the subscriber's table first.",
        )


def _refuse_root(work: _NewTable, via_root: bool) -> None:
    """Refuse an option of the whole publication that a subscription in use would not follow."""
    if via_root and not work.publication.via_root:
        raise GateClosed(
            f"{work.spec.database}: {work.spec.publication} does not publish by the partitioned table",
            found="publish_via_partition_root = false",
            remedy="Leave publish_via_partition_root = False, and create each new partition on both"
            " servers, on the subscriber first.",
        )


def _stopping(work: _NewTable) -> str:
    sides = [
        Catalog(work.spec.database, {work.table: shape}, {}) for shape in (work.ours, work.theirs) if shape
    ]
    # It is compared as published, because it will be.
    found = [d for d in differences(*sides, all_published=True) if d.effect == "stops"]
    return "; ".join(f"{d.what}: {d.publisher} / {d.subscriber}" for d in found)


def _table_steps(work: _NewTable) -> list[Step]:
    database, steps = work.spec.database, []
    if work.dumped:
        steps.append(
            Step(
                work.subscriber.name,
                f"{database}: create {work.summary} from the publisher's dump",
                lambda: _copy_definition(work),
                journalled=True,
            )
        )
    elif work.theirs is None:
        steps.append(_ddl_step(work, work.subscriber))
    if work.ours is None:
        steps.append(_ddl_step(work, work.publisher))
    return steps


def _ddl_step(work: _NewTable, server: Server) -> Step:
    what = f"{work.spec.database}: {' '.join(work.ddl.split())}"
    return Step(server.name, what, lambda: _make(work, server))


def _make(work: _NewTable, server: Server) -> str:
    """Run the DDL; roll it back unless it created the table, with a key by which rows can be found."""
    with server.new_session(work.spec.database) as session:
        session.execute("BEGIN")
        session.execute(_LOCK_TIMEOUT)
        if work.owner:
            session.execute(compose("SET LOCAL ROLE {}", identifier(work.owner)))
        session.execute(work.ddl)
        session.execute("RESET ROLE")
        wrong = _wrong(work.table, session.query(sql_of("logical/identities", server.facts.major)))
        session.execute("ROLLBACK" if wrong else "COMMIT")
    if wrong:
        raise ChangeFailed(
            f"{work.spec.database}: the SQL was rolled back on {server.name}",
            found=f"{work.summary} {wrong}",
            remedy="Correct table_ddl: the table's name must be the parameter's, and it needs a primary key.",
        )
    return "created"


def _wrong(table: Named, rows: Rows) -> str:
    """Return what is wrong with the created table; for a partitioned table, also with its partitions."""
    tables = identities_of(rows)
    made = tables.get(table)
    if made is None:
        return "does not exist afterwards, or is not a logged table"
    lacking = [one.summary for one in (made, *leaves(made, tables.values())) if not one.identified]
    return (
        f"has no primary key ({', '.join(dict.fromkeys(lacking))}): UPDATE and DELETE would fail once it is"
        " published"
        if lacking
        else ""
    )


def _copy_definition(work: _NewTable) -> str:
    with dump_helper(work.publisher, work.subscriber, work.origin) as helper:
        text = dump_schema(work.publisher, helper, work.origin, work.spec.database, tables=work.branch)
    load(work.subscriber, work.spec.database, _attached_last(text))
    return "created"


def _attached_last(dump: str) -> str:
    """Return the dump with partitions attached after their own keys.

    pg_dump attaches them first. A partitioned table that exists already adds its keys to what is attached, so
    that those of the dump would be duplicates; existing equal ones it uses as its own.
    """
    tables, indexes = _ATTACHED.findall(dump), _INDEX_ATTACHED.findall(dump)
    rest = _INDEX_ATTACHED.sub("", _ATTACHED.sub("", dump))
    return "\n".join([rest, *tables, *indexes])


def _publication_steps(work: _NewTable) -> list[Step]:
    if work.covered:
        return []
    added = publication_objects(PublicationSpec(False, (), (PublishedTable(*work.table),)))
    statement = compose("ALTER PUBLICATION {} ADD {}", identifier(work.spec.publication), added)
    what = f"{work.spec.database}: ALTER PUBLICATION {work.spec.publication} ADD TABLE {work.summary}"
    return [Step.sql(work.publisher, what, statement, database=work.spec.database, result="published")]


def _refresh_steps(work: _NewTable) -> list[Step]:
    if work.known:
        return []

    def run() -> str:
        refresh(work.subscriber, work.spec, copy_data=True)
        return "known; its rows are being copied"

    what = f"{work.spec.database}: ALTER SUBSCRIPTION {work.spec.subscription} REFRESH PUBLICATION"
    return [Step(work.subscriber.name, what, run, journalled=True)]


def _rows_step(work: _NewTable, statement: str) -> Step:
    what = f"{work.spec.database}: {' '.join(statement.split())}"
    return Step.sql(work.publisher, what, statement, database=work.spec.database, result="written")


def _checks(work: _NewTable) -> Checks:
    """Check what must hold immediately before: rights, replica identity, and no rows on the subscriber."""
    items = [*work.publisher.cluster.access_checks(DUMP_RIGHTS)] if work.dumped else []
    items += _identity_checks(work)
    if len(work.branch) > 1 and not work.publication.via_root:
        items.append(
            Check(
                f"{work.summary} is partitioned",
                False,
                f"{len(work.branch) - 1} below it",
                "each later partition on both servers",
                _LATER,
                advice=True,
            )
        )
    if work.theirs is not None and not work.known:
        statement = compose("SELECT EXISTS (SELECT FROM {}) AS filled", identifier(*work.table))
        filled = bool(work.subscriber.scalar(statement, database=work.spec.database))
        items.append(
            Check(
                f"{work.summary} is empty on the subscriber",
                not filled,
                "rows" if filled else "empty",
                "empty",
                "Empty it there: a copy into a table with rows fails on duplicate keys, or duplicates them.",
            )
        )
    return Checks.of(f"Before adding {work.summary}", items, work.publisher.journal)


_LATER = (
    "Add each new partition by this notebook: it must exist on the subscriber first, or the apply"
    " worker stops."
)


def _identity_checks(work: _NewTable) -> Iterator[Check]:
    """Check that the publisher accepts UPDATE and DELETE, and that the subscriber can apply them."""
    if work.ours is None:
        return
    refused = publisher_obstacles(work.publisher, [work.alone], planned=False)
    yield Check(
        f"{work.summary}: UPDATE and DELETE are accepted",
        not refused,
        "; ".join(one.summary for one in refused) or "yes",
        "yes",
        " ".join(dict.fromkeys(one.remedy for one in refused)),
    )
    if work.theirs is not None:
        matching = plan_subscriber_identity(work.publisher, work.subscriber, [work.alone])
        yield from matching.precheck() if matching.precheck else ()


def _state(work: _NewTable) -> str:
    return _text(
        "exists" if work.theirs else "missing",
        "exists" if work.ours else "missing",
        "published" if work.covered and work.ours else "not published",
        "known" if work.known else "not known",
    )


def _desired(work: _NewTable) -> str:
    return _text("exists", "exists", "published", "known" if work.known else "known, rows being copied")


def _text(subscriber: str, publisher: str, publication: str, subscription: str) -> str:
    return (
        f"table on the subscriber: {subscriber}\ntable on the publisher: {publisher}\n"
        f"publication: {publication}\nsubscription: {subscription}\n"
    )
