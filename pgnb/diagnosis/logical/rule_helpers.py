"""Helpers of the rules: which errors of the log are still active, and how much WAL a slot retains."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.display import format_bytes
from pgnb.core.findings import Finding
from pgnb.diagnosis.logical.observation import DatabaseObservation
from pgnb.logical.catalog import Named
from pgnb.logical.conflicts import Category, WorkerError

Findings = Iterator[Finding]
MISSING_TABLE = (
    "the table was created on the publisher first, so every table of the subscription waits",
    "12_07_add_table creates it there; then the apply worker continues by itself.",
)
"""Cause and remedy, the same for a finding from the log and from the catalogs."""


def table_text(key: Named) -> str:
    """Return a table as `schema.name`."""
    return f"{key[0]}.{key[1]}"


def retained_wal(observed: DatabaseObservation) -> tuple[str, ...]:
    """Return, as evidence, how much WAL the slot retains."""
    kept = observed.slot.retained_bytes if observed.slot else None
    return (f"its slot retains {format_bytes(kept)} of WAL",) if kept is not None else ()


def is_still_active(observed: DatabaseObservation, worker_error: WorkerError) -> bool:
    """Return whether an error of the log is not resolved yet: its transaction, or its table's copy, waits."""
    if worker_error.phase == "copy":
        return any(is_about(worker_error, key) for key in observed.not_ready)
    return observed.apply is None or observed.apply.still_affected_by(worker_error)


def is_about(worker_error: WorkerError, key: Named) -> bool:
    """Return whether an error concerns this table."""
    return worker_error.table in (key[1], table_text(key))


def last_logged(observed: DatabaseObservation, *categories: Category) -> tuple[str, ...]:
    """Return, as evidence, the last active error of these categories."""
    found = [i for i in observed.worker_errors if i.category in categories and is_still_active(observed, i)]
    return (f"log: {found[-1].summary}",) if found else ()
