"""What logical replication does not carry, or carries with a condition, by kind and by extension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgnb.core.checks import Check
from pgnb.core.parallel import map_parallel
from pgnb.logical.publication_spec import exclusion
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.table_identity import published_by, read_identities
from pgnb.postgres import Server
from pgnb.postgres.rows import Row

NEVER_COPIED = ("large objects", "unlogged tables")
"""Kinds whose data would be missing on the subscriber without any error."""
_ADVICE = {
    "sequences": "Their values are carried over at the cut-over (12.10); until then they stand still there.",
    "materialised views": "REFRESH them on the subscriber; their rows are not replicated.",
    "generated columns": "The subscriber computes them itself; see that their expressions agree there.",
    "foreign tables": "Their rows lie elsewhere; see that the subscriber reaches them, too.",
    "tables with row security": "The role that copies must have BYPASSRLS, or it refuses or copies a part.",
}
_STOPPING = {
    "timescaledb": "A hypertable's chunks are made by the extension on the publisher alone: their rows stop"
    " the apply. Use a physical standby (03), or Timescale's own migration.",
    "citus": "The rows of distributed tables are on the workers: this publisher does not send them.",
    "citus_columnar": "Changes of columnar tables are not decoded.",
    "columnar": "Changes of columnar tables are not decoded.",
    "bdr": "It replicates these tables itself: two systems would write to them.",
    "spock": "It replicates these tables itself: two systems would write to them.",
}
"""Extensions whose tables a stock publication does not carry."""
_ADVISED = {
    "pglogical": "Where it has nodes here, it replicates too: end that first, or two systems write.",
    "pg_partman": "It makes partitions on the publisher alone: run it on the subscriber as well, or set"
    " publish_via_partition_root = True.",
    "pg_cron": "Its jobs are not copied, and must not run on the subscriber before a cut-over.",
    "pgq": "Its queues are tables that it rotates by itself: leave them out of publish.",
    "pg_repack": "Its log tables have no replica identity: with a publication of all tables pg_repack fails.",
}
_SHOWN = 5
_PARTITIONS = (
    "A partition that is made later must be on the subscriber first (12.7), or the apply stops; with"
    " publish_via_partition_root = True the subscriber's own partitions take the rows."
)
_CHILDREN = (
    "A child table that is made later must be on the subscriber first (12.7), or the apply stops; where"
    " tables are listed, it must be added to the publication, too."
)
_OWNED = (
    "They are published and copied with the rest. Where CREATE EXTENSION fills them on the subscriber, leave"
    " them out: {}."
)


def object_checks(
    publisher: Server, specs: Sequence[DatabaseSpec], accepted: Sequence[str]
) -> Iterator[Check]:
    """What the databases hold that is not carried; `accepted`: kinds and extensions that may stay behind."""
    found = map_parallel(
        lambda spec: publisher.query("logical/not_replicated", database=spec.database), specs
    )
    for spec, rows in zip(specs, found, strict=True):
        for row in rows:
            yield _object_check(spec, row, accepted)
    installed = map_parallel(
        lambda spec: publisher.query("logical/extensions", database=spec.database), specs
    )
    for spec, rows in zip(specs, installed, strict=True):
        for row in rows:
            yield from _extension_check(spec, row, accepted)


def _object_check(spec: DatabaseSpec, row: Row, accepted: Sequence[str]) -> Check:
    kind = row["kind"]
    more = ", …" if row["count"] > len(row["names"]) else ""
    stops = kind in NEVER_COPIED and kind not in accepted
    remedy = _ADVICE.get(kind) or (
        f"They would be missing on the subscriber without an error: copy them by hand, and name"
        f" {kind!r} in accept_not_copied."
    )
    found = f"{row['count']}: {', '.join(row['names'])}{more}"
    return Check(f"{spec.database}: {kind}", False, found, "not replicated", remedy, advice=not stops)


def _extension_check(spec: DatabaseSpec, row: Row, accepted: Sequence[str]) -> Iterator[Check]:
    known = row["name"]
    why = _STOPPING.get(known) or _ADVISED.get(known)
    if why is None:
        return
    stops = known in _STOPPING and known not in accepted
    again = f" To go on all the same, name {known!r} in accept_not_copied." if stops else ""
    yield Check(
        f"{spec.database}: extension {known}",
        False,
        f"{known} {row['version']}",
        "none that replication does not carry",
        f"{why}{again}",
        advice=not stops,
    )


def shape_checks(publisher: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Check]:
    """Advice on partitioned, inherited and extensions' tables among those that are published."""
    found = map_parallel(lambda spec: read_identities(publisher, spec.database), specs)
    for spec, tables in zip(specs, found, strict=True):
        chosen = published_by(spec.desired, tables.values())
        roots = {".".join(table.roots[-1]): None for table in chosen if table.roots}
        if roots and not spec.via_root:
            yield _advice(spec, "partitioned tables", list(roots), _PARTITIONS)
        children = [table.summary for table in chosen if table.parents]
        if children:
            yield _advice(spec, "inherited tables", children, _CHILDREN)
        owned = [table for table in chosen if table.extension]
        if owned:
            remedy = _OWNED.format(exclusion(spec.database, [table.named for table in owned]))
            yield _advice(
                spec, "tables of extensions", [f"{t.summary} ({t.extension})" for t in owned], remedy
            )
        if spec.desired.excluded:
            yield Check(
                f"{spec.database}: what is left out",
                False,
                spec.desired.summary,
                "all tables",
                f"{spec.desired.later[0].upper()}{spec.desired.later[1:]}: 12.7 adds them. What is left out"
                " is on the publisher alone, also after a cut-over.",
                advice=True,
            )


def _advice(spec: DatabaseSpec, what: str, names: Sequence[str], remedy: str) -> Check:
    more = ", …" if len(names) > _SHOWN else ""
    found = f"{len(names)}: {', '.join(names[:_SHOWN])}{more}"
    return Check(f"{spec.database}: {what}", False, found, "none", remedy, advice=True)
