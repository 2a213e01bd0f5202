"""Subscriptions as a database's catalog describes them."""

from __future__ import annotations

from dataclasses import dataclass

from pgnb.postgres import Server


@dataclass(frozen=True)
class Subscription:
    """One subscription. Options that the server's version does not have are None.

    `connection` is without its password; `tables` and `ready` count pg_subscription_rel; `two_phase` is d
    (off), p (pending) or e (on); `slot` is None after SET (slot_name = NONE).
    """

    name: str
    enabled: bool
    slot: str | None
    publications: tuple[str, ...]
    connection: str
    synchronous_commit: str
    binary: bool
    streaming: str
    two_phase: str | None
    disable_on_error: bool | None
    origin: str | None
    failover: bool | None
    tables: int
    ready: int

    @property
    def summary(self) -> str:
        """Its state in one line."""
        state = "enabled" if self.enabled else "disabled"
        slot = f"slot {self.slot}" if self.slot else "no slot"
        return f"{state}, {slot}, of {', '.join(self.publications)}, {self.ready}/{self.tables} tables ready"


def read_subscriptions(server: Server, database: str) -> dict[str, Subscription]:
    """Read the subscriptions of one database by name. Source: pg_subscription, pg_subscription_rel.

    Raises QueryFailed: only superusers may read the connections in pg_subscription.
    """
    rows = server.query("logical/subscriptions", database=database)
    return {row["name"]: Subscription(**{**row, "publications": tuple(row["publications"])}) for row in rows}
