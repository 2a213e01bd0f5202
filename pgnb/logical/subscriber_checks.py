"""What exists on the subscriber and would stop a set-up halfway: checked before the first change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgnb.core.checks import Check
from pgnb.core.errors import GateClosed
from pgnb.core.parallel import map_parallel
from pgnb.logical.catalog import read_catalog
from pgnb.logical.extension_tables import extension_table_checks
from pgnb.logical.publication_spec import MARKER
from pgnb.logical.schema import uncopied
from pgnb.logical.schema_diff import differences
from pgnb.logical.slots import logical_slots, usable_slot
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import read_subscriptions
from pgnb.logical.table_identity import published_by, read_identities, sent_as
from pgnb.logical.targets import databases_of, filled_tables
from pgnb.logical.updates import subscriber_obstacles
from pgnb.postgres import Server
from pgnb.postgres.slots import Slot

_SHOWN = 5
_ROWS = (
    "Empty those tables on the subscriber, or set copy_data = False if they hold exactly the publisher's"
    " rows: a copy into a table with rows fails on duplicate keys, or duplicates them."
)
_LEFT = (
    "No subscriber uses these slots now. They may be left by an interrupted run, or belong to a"
    " subscriber that is down and would permanently lose its position. To reuse them, set reuse_slots ="
    " {!r}."
)


def subscriber_checks(
    publisher: Server,
    subscriber: Server,
    specs: Sequence[DatabaseSpec],
    *,
    copy_data: bool,
    create_databases: bool,
    reuse_slots: str,
) -> Iterator[Check]:
    """Check slots, and existing databases, schemas, rows and keys of the subscriber.

    Only slots if the subscriber does not exist yet. Raises QueryFailed.
    """
    there = databases_of(subscriber)
    fresh = [spec for spec in specs if not _subscribed(subscriber, spec, there)]
    yield from _slots(publisher, fresh, copy_data=copy_data, reuse_slots=reuse_slots)
    if not subscriber.present:
        return
    lacking = [spec.database for spec in specs if spec.database not in there]
    yield Check(
        "databases on the subscriber",
        create_databases or not lacking,
        f"missing: {', '.join(lacking)}" if lacking else "all",
        "all, or create_databases = True",
        "Create them by hand, or set create_databases = True.",
    )
    held = [spec for spec in specs if spec.database in there]
    untouched = {spec.database for spec in uncopied(subscriber, held)}
    filled = [spec for spec in held if spec.database not in untouched]
    yield from map_parallel(lambda spec: _schema(publisher, subscriber, spec), filled)
    if copy_data:
        chosen = [spec for spec in filled if spec in fresh]
        yield from map_parallel(lambda spec: _rows(publisher, subscriber, spec), chosen)
        yield from extension_table_checks(publisher, subscriber, fresh, there)
    yield from _keys(publisher, subscriber, filled)


def _subscribed(subscriber: Server, spec: DatabaseSpec, there: frozenset[str]) -> bool:
    return spec.database in there and spec.subscription in read_subscriptions(subscriber, spec.database)


def _slots(
    publisher: Server, specs: Sequence[DatabaseSpec], *, copy_data: bool, reuse_slots: str
) -> Iterator[Check]:
    slots, left, wrong = logical_slots(publisher), [], []
    for spec in specs:
        try:
            found = usable_slot(slots, spec)
        except GateClosed as taken:
            wrong.append(f"{taken.message} ({taken.found})")
        else:
            left += [found] if found and _doubtful(found, copy_data) else []
    names = ", ".join(slot.name for slot in left)
    yield Check(
        "slots of these names",
        not wrong,
        "; ".join(wrong) or "none of another subscriber",
        "none of another subscriber",
        "Drop them if they are not needed (07).",
    )
    yield Check(
        "unused slots",
        not names or reuse_slots == names,
        names or "none",
        "none, or named in reuse_slots",
        _LEFT.format(names),
    )


def _doubtful(slot: Slot, copy_data: bool) -> bool:
    return copy_data or bool(slot.total_txns)


def _schema(publisher: Server, subscriber: Server, spec: DatabaseSpec) -> Check:
    """Check that an existing schema, which is never overwritten, does not stop replication."""
    chosen = {
        one.summary for one in published_by(spec.desired, read_identities(publisher, spec.database).values())
    }
    sides = read_catalog(publisher, spec.database), read_catalog(subscriber, spec.database)
    wrong = [
        f"{d.table}: {d.what}"
        for d in differences(*sides, all_published=True)
        if d.effect == "stops" and d.table in chosen and d.table != MARKER.summary
    ]
    return Check(
        f"{spec.database}: existing schema",
        not wrong,
        _some(wrong) or "as on the publisher",
        "nothing that stops replication",
        "Alter the subscriber's tables by hand.",
    )


def _rows(publisher: Server, subscriber: Server, spec: DatabaseSpec) -> Check:
    """Check that the users' own tables have no rows; extensions' tables are checked separately."""
    tables = read_identities(publisher, spec.database).values()
    published = published_by(spec.desired, [table for table in tables if not table.extension])
    names = dict.fromkeys(sent_as(spec.desired, one, via_root=spec.via_root) for one in published)
    marker = (MARKER.schema, MARKER.name)
    wrong = filled_tables(subscriber, spec.database, [one for one in names if one != marker])
    return Check(
        f"{spec.database}: no rows before the copy", not wrong, _some(wrong) or "none", "none", _ROWS
    )


def _keys(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Check]:
    """Check, as advice, the keys that the set-up sets where a suitable index exists."""
    found = subscriber_obstacles(publisher, subscriber, specs, there=databases_of(subscriber))
    words = _some([one.summary for one in found]) or "present"
    yield Check(
        "keys for applying UPDATE and DELETE",
        not found,
        words,
        "present",
        "The set-up sets them if a suitable index exists; else create one.",
        advice=True,
    )


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return f"{', '.join(words[:_SHOWN])}{more}"
