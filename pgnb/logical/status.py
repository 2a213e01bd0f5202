"""The state of every database's replication, from both servers at once (section 12.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Displayable, Table, format_bytes, format_duration
from pgnb.core.journal import Journal
from pgnb.core.parallel import map_parallel
from pgnb.logical.initial_copy import STATES
from pgnb.logical.slots import logical_slots
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.targets import databases_of
from pgnb.postgres import Server
from pgnb.postgres.rows import Row
from pgnb.postgres.slots import Slot

_NOT_THERE = "no subscription"


@dataclass(frozen=True)
class DatabaseStatus:
    """One database: its subscription, apply worker and slot. Ages in seconds.

    `not_ready` is (schema, table, state); `pid` None: no apply worker. Error counts are since their reset;
    `apply_errors` and `sync_errors` are None before 15. `enabled` None: there is no such subscription.
    """

    database: str
    subscription: str
    enabled: bool | None
    pid: int | None
    message_age: float | None
    apply_errors: int | None
    sync_errors: int | None
    tables: int
    not_ready: tuple[tuple[str, str, str], ...]
    slot_name: str
    slot: Slot | None

    @property
    def state(self) -> str:
        """The state in a few words, the worst first."""
        if self.enabled is None:
            return _NOT_THERE
        if self.slot is None:
            return "slot is not on the publisher"
        if self.slot.lost:
            return "slot has lost WAL"
        if not self.enabled:
            return "disabled"
        if self.pid is None:
            return "no apply worker"
        if not self.slot.active:
            return "not connected"
        return "copying" if self.not_ready else (self.slot.consumer_state or "starting")

    @property
    def streams(self) -> bool:
        """Whether changes of every table arrive as they are made."""
        return self.state == "streaming"

    @property
    def not_ready_text(self) -> str:
        """The tables that are not ready, and their states."""
        words = [f"{schema}.{table}: {STATES.get(s, s)}" for schema, table, s in self.not_ready[:4]]
        return ", ".join(words) + (f" and {len(self.not_ready) - 4} more" if self.not_ready[4:] else "")


@dataclass(frozen=True, repr=False)
class LogicalStatus(Displayable):
    """Every database's replication, at one moment."""

    items: tuple[DatabaseStatus, ...]
    title: str
    journal: Journal

    def of(self, database: str) -> DatabaseStatus:
        """Return one database's status. Raises KeyError."""
        return {item.database: item for item in self.items}[database]

    @property
    def lag(self) -> dict[str, dict[str, object]]:
        """How far each subscription is behind, by its database; `seconds` is None while nothing is sent."""
        return {
            one.database: {
                "bytes": one.slot.lag_bytes if one.slot else None,
                "seconds": one.slot.replay_lag if one.slot else None,
                "connected": bool(one.slot and one.slot.active),
            }
            for one in self.items
        }

    @property
    def table(self) -> Table:
        """State, tables, lag in bytes and seconds, retained WAL and errors, one database a row."""
        columns = (
            "database",
            "state",
            "tables ready",
            "lag",
            "lag (time)",
            "WAL retained",
            "last message",
            "errors apply/copy",
            "slot",
        )
        note = "Lag is what the subscriber has not confirmed; while nothing is sent, no time is shown."
        return Table.of(columns, [_line(item) for item in self.items], title=self.title, note=note)

    def checks(self) -> Checks:
        """Check that each database streams with every table ready, and that it has no errors."""
        items = []
        for one in self.items:
            found = one.state + (f" ({one.not_ready_text})" if one.not_ready else "")
            items.append(
                Check(
                    f"{one.database}: replication",
                    one.streams,
                    found,
                    "streaming",
                    "See 12.9, which names the cause and the remedy.",
                )
            )
            errors = (one.apply_errors or 0) + (one.sync_errors or 0)
            items.append(
                Check(
                    f"{one.database}: errors",
                    not errors,
                    errors,
                    0,
                    "Counted since the statistics were reset; the subscriber's log and 12.9 name them.",
                    advice=True,
                )
            )
        return Checks.of(self.title, items, self.journal)


def logical_status(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> LogicalStatus:
    """Read the state of each database: one query to the publisher, one a database to the subscriber.

    Source: pg_subscription, pg_stat_subscription, pg_stat_subscription_stats (since 15), pg_subscription_rel;
    pg_replication_slots, pg_stat_replication. Raises ConnectionFailed for a server that does not answer; with
    a dead publisher 12.9 reads the subscriber alone.
    """
    slots, there = logical_slots(publisher), databases_of(subscriber)
    items = map_parallel(lambda spec: _of_database(subscriber, spec, slots, there), specs)
    title = f"Logical replication from {publisher.name} to {subscriber.name}"
    found = LogicalStatus(tuple(items), title, subscriber.journal)
    subscriber.journal.figure("lag", found.lag)
    return found


def _of_database(
    subscriber: Server, spec: DatabaseSpec, slots: dict[str, Slot], there: frozenset[str]
) -> DatabaseStatus:
    query = "logical/subscription_status"
    rows = subscriber.query(query, database=spec.database) if spec.database in there else []
    row = next((row for row in rows if row["name"] == spec.subscription), None)
    if row is None:
        return DatabaseStatus(
            spec.database,
            spec.subscription,
            None,
            None,
            None,
            None,
            None,
            0,
            (),
            spec.slot,
            slots.get(spec.slot),
        )
    return _of_row(spec, row, slots)


def _of_row(spec: DatabaseSpec, row: Row, slots: dict[str, Slot]) -> DatabaseStatus:
    name = row["slot"] or ""
    return DatabaseStatus(
        spec.database,
        spec.subscription,
        row["enabled"],
        row["pid"],
        row["message_age"],
        row["apply_errors"],
        row["sync_errors"],
        row["tables"],
        tuple((one[0], one[1], one[2]) for one in row["not_ready"] or ()),
        name,
        slots.get(name),
    )


def _line(one: DatabaseStatus) -> tuple[object, ...]:
    tone = "good" if one.streams else "warn" if one.state == "copying" else "bad"
    slot = one.slot
    errors = "–" if one.apply_errors is None else f"{one.apply_errors} / {one.sync_errors}"
    return (
        one.database,
        Cell(one.state, tone),  # type: ignore[arg-type]
        f"{one.tables - len(one.not_ready)} of {one.tables}",
        format_bytes(slot.lag_bytes if slot else None),
        format_duration(slot.replay_lag if slot else None),
        format_bytes(slot.retained_bytes if slot else None),
        format_duration(one.message_age),
        errors,
        one.slot_name or "none",
    )
