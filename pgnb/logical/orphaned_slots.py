"""Slots left on a dead publisher: recorded when their subscriptions are dropped, and dropped when it is back.

The records are in the subscriber's maintenance database, which is not replicated, so that later runs find
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgnb.logical.slots import drop_slot, logical_slots
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import Subscription
from pgnb.postgres import Server, compose, identifier

_TABLE = identifier("pgnb", "left_slots")
_MAKE = (
    "CREATE SCHEMA IF NOT EXISTS pgnb; CREATE TABLE IF NOT EXISTS {} (slot text PRIMARY KEY, database text"
    " NOT NULL, subscription text NOT NULL, noted_at timestamptz NOT NULL DEFAULT clock_timestamp())"
)
_NOTE = "INSERT INTO {} (slot, database, subscription) VALUES ({}, {}, {}) ON CONFLICT (slot) DO NOTHING"
_THERE = "SELECT to_regclass('pgnb.left_slots') IS NOT NULL"


@dataclass(frozen=True)
class OrphanedSlot:
    """A slot left on a dead publisher, with its database and subscription."""

    slot: str
    database: str
    subscription: str


def orphaned_slots(subscriber: Server) -> tuple[OrphanedSlot, ...]:
    """Return the slots that are recorded and not dropped yet."""
    if not subscriber.scalar(_THERE):
        return ()
    rows = subscriber.query(compose("SELECT slot, database, subscription FROM {} ORDER BY slot", _TABLE))
    return tuple(OrphanedSlot(**row) for row in rows)


def drop_without_publisher(subscriber: Server, spec: DatabaseSpec, now: Subscription) -> None:
    """Record the slot, then DISABLE, SET (slot_name = NONE), DROP: none of them contacts the publisher.

    After an interruption all statements run again: each may be repeated.
    """
    if now.slot:
        subscriber.execute(compose(_NOTE, _TABLE, now.slot, spec.database, now.name))
    known = identifier(now.name)
    statements = (
        "ALTER SUBSCRIPTION {} DISABLE",
        "ALTER SUBSCRIPTION {} SET (slot_name = NONE)",
        "DROP SUBSCRIPTION {}",
    )
    for statement in statements:
        subscriber.execute(compose(statement, known), database=spec.database)


def ensure_table(subscriber: Server) -> None:
    """Create the table of records if it does not exist."""
    if not subscriber.scalar(_THERE):
        subscriber.execute(compose(_MAKE, _TABLE), what="CREATE TABLE pgnb.left_slots")


def drop_orphaned_slots(publisher: Server, subscriber: Server, left: Sequence[OrphanedSlot]) -> str:
    """Drop the slots on the publisher, then their records. Raises QueryFailed if one is active."""
    there, dropped = logical_slots(publisher), 0
    for one in left:
        found = there.get(one.slot)
        if found is not None and found.database == one.database:
            drop_slot(publisher, one.slot)
            dropped += 1
        subscriber.execute(compose("DELETE FROM {} WHERE slot = {}", _TABLE, one.slot))
    return f"{dropped} slots dropped, {len(left) - dropped} did not exist any more"
