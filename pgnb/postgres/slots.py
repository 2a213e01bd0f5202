"""Replication slots as one query shows them, of every kind and on every version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pgnb.core.display import format_bytes
from pgnb.postgres.server import Server


@dataclass(frozen=True)
class Slot:
    """One row of pg_replication_slots, with the walsender that reads from it.

    Sizes are bytes, `replay_lag` is seconds. `retained_bytes` is the WAL kept for it (None: nothing is
    reserved), `lag_bytes` the WAL that a subscriber has not confirmed, `safe_wal_size` the WAL that may be
    written before the slot can be lost (None: no cap, or lost). `xmin_age` counts transactions, `total_txns`
    those that were sent from a logical slot since the statistics were reset. Fields that the server's version
    lacks are None: `conflicting` exists since 16; `inactive_since`, `invalidation_reason`, `failover` and
    `synced` since 17; `two_phase_at` since 18. Source: pg_replication_slots, pg_stat_replication,
    pg_stat_replication_slots.
    """

    name: str
    type: str
    plugin: str | None
    database: str | None
    temporary: bool
    active: bool
    active_pid: int | None
    restart_lsn: str | None
    confirmed_flush_lsn: str | None
    retained_bytes: int | None
    lag_bytes: int | None
    wal_status: str | None
    safe_wal_size: int | None
    xmin_age: int | None
    catalog_xmin_age: int | None
    two_phase: bool
    conflicting: bool | None
    inactive_since: datetime | None
    invalidation_reason: str | None
    failover: bool | None
    synced: bool | None
    two_phase_at: str | None
    consumer: str | None
    consumer_address: str | None
    consumer_state: str | None
    replay_lag: float | None
    total_txns: int

    @property
    def physical(self) -> bool:
        """Whether a standby can use it."""
        return self.type == "physical"

    @property
    def lost(self) -> bool:
        """Whether WAL that it should keep was removed, so that its standby needs a new base backup."""
        return self.wal_status == "lost" or bool(self.invalidation_reason)

    @property
    def takes_over(self) -> bool:
        """Whether it is a synchronised logical slot that subscribers can use after a promotion."""
        return bool(self.synced) and not self.temporary and not self.lost

    @property
    def reserved(self) -> bool:
        """Whether it keeps WAL; a slot created without `immediately_reserve` does not until it is used."""
        return self.restart_lsn is not None

    @property
    def summary(self) -> str:
        """Its type, state and consumer in one line."""
        what = self.type if self.physical else f"{self.type} ({self.plugin}, database {self.database})"
        kept = f"{format_bytes(self.retained_bytes)} retained" if self.reserved else "no WAL reserved"
        state = f"active by pid {self.active_pid} ({self.consumer_words})" if self.active else "inactive"
        return f"{what}, {kept}, {self.wal_status or 'no status'}, {state}"

    @property
    def consumer_words(self) -> str:
        """Its consumer: application_name and address."""
        return f"{self.consumer or 'unknown'} from {self.consumer_address or 'a local socket'}"


def read_slots(server: Server) -> tuple[Slot, ...]:
    """Read every slot of the server by one query, by name."""
    return tuple(Slot(**row) for row in server.query("slots"))
