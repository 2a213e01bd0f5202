"""Section 12.1 as checks: may these databases be replicated from this server to that one?

Facts 41-47, 49, 51 and 59. What would stop replication, or lose rows without an error, fails; the rest is
advice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgnb.cluster import Right
from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_bytes, format_duration
from pgnb.core.errors import GateClosed, ParameterError
from pgnb.core.parallel import map_parallel
from pgnb.logical.capacity import capacity_checks, worker_settings
from pgnb.logical.databases import read_definitions
from pgnb.logical.identity import tables_without_identity
from pgnb.logical.not_replicated import object_checks, shape_checks
from pgnb.logical.publications import plan_publications, update_checks
from pgnb.logical.roles import role_checks
from pgnb.logical.schema import DUMP_RIGHTS, dump_pod, uncopied
from pgnb.logical.slots import blockers_text, slot_blockers
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscriber_checks import subscriber_checks
from pgnb.logical.targets import PARTS_SINCE
from pgnb.postgres import Server
from pgnb.postgres.config.restart import restart_rights
from pgnb.postgres.disk import space_of
from pgnb.postgres.roles import role_rights

_LONG = 60.0
"""Seconds after which an open transaction is reported: slot creation waits for it."""
_ROOM = 1.2


def publisher_preflight(
    publisher: Server, specs: Sequence[DatabaseSpec], *, accept_not_copied: Sequence[str] = ()
) -> Checks:
    """Check what the publisher alone tells, before a subscriber is deployed; changes nothing.

    `accept_not_copied`: kinds of objects ("large objects", "unlogged tables") whose content may be missing on
    the subscriber, and extensions whose tables are not replicated. Raises QueryFailed.
    """
    items = [*_publisher_items(publisher, specs, accept_not_copied)]
    return Checks.of(f"Can {publisher.name} publish these databases?", items, publisher.journal)


def logical_preflight(
    publisher: Server,
    subscriber: Server,
    specs: Sequence[DatabaseSpec],
    *,
    accept_not_copied: Sequence[str] = (),
    copy_data: bool = True,
    create_databases: bool = True,
    reuse_slots: str = "",
    settings: bool = True,
) -> Checks:
    """Run the checks of section 12.1; changes nothing.

    `accept_not_copied` as for `publisher_preflight`; the next three as the set-up receives them. Without
    `settings`, those that the set-up itself changes are left out, so that the rest can be a gate before the
    first change. Replica identity is advice here, and a gate of `plan_replica_identity`. Raises QueryFailed,
    ExecFailed for what could not be read.
    """
    items = [*_servers(publisher, subscriber), *_parts(subscriber, specs)]
    if not (publisher.facts.in_recovery or subscriber.facts.in_recovery):
        items += capacity_checks(publisher, subscriber, specs) if settings else ()
        items += _publisher_items(publisher, specs, accept_not_copied)
        items += subscriber_checks(
            publisher,
            subscriber,
            specs,
            copy_data=copy_data,
            create_databases=create_databases,
            reuse_slots=reuse_slots,
        )
        items += _extensions(publisher, subscriber, specs)
        items += role_checks(publisher, subscriber, specs)
        items += _texts(publisher, subscriber, specs)
        items += _room(publisher, subscriber, specs)
        items.append(_transactions(publisher))
    title = f"Can {len(specs)} databases go from {publisher.name} to {subscriber.name}?"
    return Checks.of(title, items, publisher.journal)


def _publisher_items(
    publisher: Server, specs: Sequence[DatabaseSpec], accepted: Sequence[str]
) -> Iterator[Check]:
    yield from _identity(publisher, specs)
    yield from update_checks(publisher, specs, planned=True)
    yield from object_checks(publisher, specs, accepted)
    yield from shape_checks(publisher, specs)
    yield _publications(publisher, specs)


def _publications(publisher: Server, specs: Sequence[DatabaseSpec]) -> Check:
    """Check that the publications can be created: the plan itself refuses what cannot."""
    try:
        plan_publications(publisher, specs)
    except (GateClosed, ParameterError) as refused:
        return Check(
            "publications", False, f"{refused.message} ({refused.found})", "can be created", refused.remedy
        )
    return Check("publications", True, "can be created", "can be created")


def pair_checks(
    publisher: Server,
    subscriber: Server,
    databases: Sequence[str] = (),
    *,
    secret: str = "",
    allow_restart: bool = False,
) -> Checks:
    """Check that the two can be publisher and subscriber at all; before any setting is changed.

    A physical standby is refused as a subscriber: it is read-only. With `databases`, including one that does
    not exist yet, a user who lacks a right that their set-up needs is refused, too: `secret` is the Secret to
    create for the replication role if it does not exist ("" creates none); `allow_restart`: whether servers
    restart. If pods will be created beside the publisher, a dry run asks the API server whether it accepts
    them.
    """
    title = f"May {publisher.name} publish to {subscriber.name}?"
    checks = Checks.of(title, _servers(publisher, subscriber), publisher.journal)
    if checks.failed or not databases:
        return checks
    rights = set_up_rights(publisher, subscriber, databases, secret=secret, allow_restart=allow_restart)
    if not rights:
        return checks
    checks += publisher.cluster.access_checks(rights)
    if checks.failed or not {("create", "pods")} & {(right.verb, right.resource) for right in rights}:
        return checks
    return checks + Checks.of(title, publisher.cluster.helper_checks(dump_pod(publisher)), publisher.journal)


def _servers(publisher: Server, subscriber: Server) -> Iterator[Check]:
    yield Check(
        "publisher's role",
        not publisher.facts.in_recovery,
        publisher.facts.role,
        "primary",
        "Publications are created on a primary.",
    )
    yield Check(
        "subscriber's role",
        not subscriber.facts.in_recovery,
        subscriber.facts.role,
        "writable",
        "A physical standby is read-only, but a subscription writes. Deploy a separate server (the"
        " parameter subscriber), or convert a standby by pg_createsubscriber.",
    )
    same = publisher.facts.system_identifier == subscriber.facts.system_identifier
    yield Check(
        "two servers",
        not same or subscriber.facts.in_recovery,
        "the same database cluster" if same else "two",
        "two",
        "Both selectors lead to the same data: name another subscriber.",
    )
    ours, theirs = publisher.facts, subscriber.facts
    yield Check(
        "versions",
        not subscriber.present or theirs.major >= ours.major,
        f"{ours.version_text} to {theirs.version_text or 'a server to be deployed'}",
        "not to an older version",
        "An older server may not understand the dumped schema: copy it by hand.",
        advice=True,
    )


def _parts(subscriber: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Check]:
    for spec in specs:
        parts = [table.summary for table in spec.desired.tables if table.where or table.columns]
        if parts and subscriber.present and subscriber.facts.major < PARTS_SINCE:
            yield Check(
                f"{spec.database}: partly published tables",
                False,
                ", ".join(parts),
                "whole tables",
                f"A subscriber before {PARTS_SINCE} copies every row and column of them: this is refused"
                " unless copy_data = False.",
                advice=True,
            )


def _identity(publisher: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Check]:
    tables = tables_without_identity(publisher, specs)
    yield Check(
        "replica identity",
        not tables,
        ", ".join(t.summary for t in tables[:5]) or "every table",
        "every table",
        "Once published they reject UPDATE and DELETE: plan_replica_identity gives them one.",
        advice=True,
    )


def _extensions(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Check]:
    if not subscriber.present:
        return
    available = {row["name"]: row["version"] for row in subscriber.query("logical/available_extensions")}
    found = map_parallel(lambda spec: publisher.query("logical/extensions", database=spec.database), specs)
    used = [
        (f"{spec.database}: {row['name']} {row['version']}", row["version"], available.get(row["name"]))
        for spec, rows in zip(specs, found, strict=True)
        for row in rows
    ]
    lacking = [words for words, _, theirs in used if theirs is None]
    yield Check(
        "extensions",
        not lacking,
        ", ".join(lacking) or "all available",
        "all available",
        "Use an image with these extensions for the subscriber.",
    )
    other = [
        f"{words}, on the subscriber {theirs}" for words, ours, theirs in used if theirs not in (None, ours)
    ]
    yield Check(
        "versions of extensions",
        not other,
        "; ".join(other) or "the same",
        "the same",
        "A dump contains no version, so the subscriber installs its default version: functions may"
        " differ. Use one image for both servers, or ALTER EXTENSION … UPDATE on the publisher first.",
        advice=True,
    )


def _texts(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Check]:
    ours, theirs = read_definitions(publisher), read_definitions(subscriber)
    other = [
        f"{s.database}: {theirs[s.database].summary}"
        for s in specs
        if s.database in theirs and not ours[s.database].fits(theirs[s.database])
    ]
    yield Check(
        "encoding and collation",
        not other,
        "; ".join(other) or "the publisher's, or not created yet",
        "the publisher's",
        "An existing database cannot be changed: create it again, like the publisher's.",
    )


def _room(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Check]:
    ours, theirs = read_definitions(publisher), read_definitions(subscriber)
    wanted = {spec.database for spec in specs}
    held = sum(definition.bytes for name, definition in theirs.items() if name in wanted)
    needed = int(max(0, sum(m.bytes for n, m in ours.items() if n in wanted) - held) * _ROOM)
    if not subscriber.present:
        return
    free = space_of(subscriber, subscriber.facts.data_directory).free
    yield Check(
        "room on the subscriber",
        free >= needed,
        f"{format_bytes(free)} free",
        f"≥ {format_bytes(needed)}",
        "Enlarge the subscriber's claim.",
    )


def _transactions(publisher: Server) -> Check:
    blockers = slot_blockers(publisher)
    long = [row for row in blockers if row["age"] >= _LONG]
    return Check(
        "long transactions",
        not long,
        blockers_text(blockers),
        f"none above {format_duration(_LONG)}",
        "Slot creation waits for each of them to end.",
        advice=True,
    )


_CLIENT = "to measure the restart with a client"
_CLIENT_RIGHTS = (Right("create", "pods", why=_CLIENT), Right("delete", "pods", why=_CLIENT))


def set_up_rights(
    publisher: Server, subscriber: Server, databases: Sequence[str], *, secret: str, allow_restart: bool
) -> list[Right]:
    """Return the rights that replicating these databases needs, as far as something remains to be done.

    `secret`: the Secret with the replication role's password, if the set-up creates that role.
    `allow_restart`: whether a server is restarted for its settings.
    """
    if not publisher.present:
        return []
    specs = [DatabaseSpec.of(database) for database in databases]
    rights = list(DUMP_RIGHTS) if uncopied(subscriber, specs) else []
    rights += role_rights(publisher, secret) if secret else []
    rights += _restarts(publisher, subscriber, specs) if allow_restart and specs else ()
    return list({(right.verb, right.resource, right.name): right for right in rights}.values())


def _restarts(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Right]:
    """Yield the rights of each restart; the publisher's is measured by a client in a pod."""
    needs = worker_settings(publisher, subscriber, specs)
    if publisher.settings(needs.publisher).unmet:
        yield from (*restart_rights(publisher), *_CLIENT_RIGHTS)
    if subscriber.present and subscriber.settings(needs.subscriber).unmet:
        yield from restart_rights(subscriber)
