"""Room for the locks of a schema that is loaded in one transaction: one for each relation that it makes.

Without it, the load of some ten thousand tables ends with "out of shared memory", after everything before it
has been done. Source: the manual, 19.12 (max_locks_per_transaction).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from pgnb.core.parallel import AT_ONCE, map_parallel
from pgnb.logical.schema import uncopied
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.targets import databases_of
from pgnb.postgres import Server

SETTING = "max_locks_per_transaction"
_MORE = 1.1
"""Types, schemas and functions are locked as well, and other sessions hold locks meanwhile."""


def lock_settings(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> dict[str, str]:
    """Return what the subscriber needs so that the missing schemas can be loaded; empty where it has room.

    A database that the publisher lacks too has nothing to load. Schemas are loaded side by side, so the
    largest of them count together. A subscriber that is not there yet is taken for one with the publisher's
    numbers. Raises QueryFailed.
    """
    here = databases_of(publisher)
    there = [spec for spec in specs if spec.database in here]
    missing = uncopied(subscriber, there) if subscriber.present else there
    if not missing:
        return {}
    found = map_parallel(
        lambda spec: publisher.fetch_one("logical/relations", database=spec.database), missing
    )
    needed = sum(sorted((int(row["relations"]) for row in found), reverse=True)[:AT_ONCE]) * _MORE
    room = subscriber.fetch_one("logical/lock_table") or publisher.fetch_one("logical/lock_table")
    if needed <= room["locks"] * room["holders"]:
        return {}
    return {SETTING: f">= {ceil(needed / room['holders'])}"}
