"""What logical replication does not replicate, or only under a condition, by kind and by extension."""

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
    "sequences": "The cut-over (12.10) copies their values; until then they do not change on the subscriber.",
    "materialised views": "Their rows are not replicated; run REFRESH MATERIALIZED VIEW on the subscriber.",
    "generated columns": "The subscriber computes them itself; check that their expressions are the same"
    " there.",
    "foreign tables": "Their rows are stored elsewhere; check that the subscriber can reach them, too.",
    "tables with row security": "The replication role needs BYPASSRLS, or the copy fails or is incomplete.",
}
_STOPPING = {
    "timescaledb": "The extension creates a hypertable's chunks only on the publisher: their rows stop"
    " the apply worker. Use a physical standby (03), or Timescale's own migration.",
    "citus": "Rows of distributed tables are on the worker nodes: this publisher does not send them.",
    "citus_columnar": "Changes of columnar tables are not decoded.",
    "columnar": "Changes of columnar tables are not decoded.",
    "bdr": "It replicates these tables itself: two systems would write to them.",
    "spock": "It replicates these tables itself: two systems would write to them.",
}
"""Extensions whose tables an ordinary publication does not carry."""
_ADVISED = {
    "pglogical": "If it has nodes here, it replicates, too: remove them first, or two systems write.",
    "pg_partman": "It creates partitions only on the publisher: run it on the subscriber as well, or set"
    " publish_via_partition_root = True.",
    "pg_cron": "Its jobs are not copied, and must not run on the subscriber before a cut-over.",
    "pgq": "Its queues are tables that it rotates itself: exclude them in publish.",
    "pg_repack": "Its log tables have no replica identity: with a publication of all tables pg_repack fails.",
}
_SHOWN = 5
_PARTITIONS = (
    "A partition created later must be on the subscriber first (12.7), or the apply worker stops; with"
    " publish_via_partition_root = True the subscriber's own partitions take the rows."
)
_CHILDREN = (
    "A child table created later must be on the subscriber first (12.7), or the apply worker stops; if"
    " tables are listed, it must be added to the publication, too."
)
_OWNED = (
    "They are published and copied with the rest. If CREATE EXTENSION fills them on the subscriber,"
    " exclude them: {}."
)


def object_checks(
    publisher: Server, specs: Sequence[DatabaseSpec], accepted: Sequence[str]
) -> Iterator[Check]:
    """Check for objects that are not replicated; `accepted`: kinds and extensions that may be missing."""
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
        f"They would be missing on the subscriber without an error: copy them by hand, and name {kind!r}"
        " in accept_not_copied."
    )
    found = f"{row['count']}: {', '.join(row['names'])}{more}"
    return Check(f"{spec.database}: {kind}", False, found, "not replicated", remedy, advice=not stops)


def _extension_check(spec: DatabaseSpec, row: Row, accepted: Sequence[str]) -> Iterator[Check]:
    known = row["name"]
    why = _STOPPING.get(known) or _ADVISED.get(known)
    if why is None:
        return
    stops = known in _STOPPING and known not in accepted
    again = f" To continue nevertheless, name {known!r} in accept_not_copied." if stops else ""
    yield Check(
        f"{spec.database}: extension {known}",
        False,
        f"{known} {row['version']}",
        "none that cannot be replicated",
        f"{why}{again}",
        advice=not stops,
    )


def shape_checks(publisher: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Check]:
    """Check, as advice, for partitioned, inherited and extensions' tables among those published."""
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
                f"{spec.database}: excluded tables",
                False,
                spec.desired.summary,
                "all tables",
                f"{spec.desired.later[0].upper()}{spec.desired.later[1:]}: 12.7 adds them. Excluded tables"
                " are only on the publisher, also after a cut-over.",
                advice=True,
            )


def _advice(spec: DatabaseSpec, what: str, names: Sequence[str], remedy: str) -> Check:
    more = ", …" if len(names) > _SHOWN else ""
    found = f"{len(names)}: {', '.join(names[:_SHOWN])}{more}"
    return Check(f"{spec.database}: {what}", False, found, "none", remedy, advice=True)
