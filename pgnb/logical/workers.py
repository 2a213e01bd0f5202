"""The subscriber's workers: those that apply, those that copy, and their limits."""

from __future__ import annotations

from dataclasses import dataclass

from pgnb.logical.conflicts import WorkerError
from pgnb.postgres.progress import lsn_bytes

_STABLE_AFTER = 1.5
"""Seconds that an apply worker must live to count as running: one that meets a conflict ends much sooner."""


@dataclass(frozen=True)
class Apply:
    """The apply worker of one subscription; ages in seconds, None without a worker or a message."""

    database: str
    subscription: str
    enabled: bool
    pid: int | None
    worker_age: float | None
    message_age: float | None
    remote_lsn: str | None

    @property
    def stable(self) -> bool:
        """Whether its state will not change by itself: it stays, or is not meant to run."""
        return not self.enabled or (self.worker_age is not None and self.worker_age > _STABLE_AFTER)

    def has_not_applied(self, lsn: str) -> bool:
        """Return whether the transaction that finishes at `lsn` is not applied yet."""
        return self.remote_lsn is None or lsn_bytes(lsn) >= lsn_bytes(self.remote_lsn)

    def still_affected_by(self, worker_error: WorkerError) -> bool:
        """Return whether an error is not resolved yet; one without an LSN, while no worker stays."""
        if worker_error.lsn is not None:
            return self.has_not_applied(worker_error.lsn)
        return not self.stable or not self.enabled


@dataclass(frozen=True)
class Workers:
    """The subscriber's workers and their limits; durations in milliseconds."""

    running: int
    subscriptions: int
    max_workers: int
    max_sync_workers: int
    max_processes: int
    retry_ms: int
    timeout_ms: int

    @property
    def needed(self) -> int:
        """One for each subscription, and those that copy tables for one of them."""
        return self.subscriptions + self.max_sync_workers
