"""What several rules judge by: which words of the log still hold, and what a slot keeps meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.display import format_bytes
from pgnb.core.findings import Finding
from pgnb.diagnosis.logical.observation import DatabaseObservation
from pgnb.logical.catalog import Named
from pgnb.logical.conflicts import Category, WorkerError

Findings = Iterator[Finding]
MISSING_TABLE = (
    "the table was made on the publisher first, so every table of the subscription waits",
    "Section 12.7 (12_07_add_table) makes it there; the apply goes on by itself.",
)
"""Cause and remedy, the same whether the log or the catalogs tell it."""


def table_text(key: Named) -> str:
    """A table as `schema.name`."""
    return f"{key[0]}.{key[1]}"


def retained_wal(observed: DatabaseObservation) -> tuple[str, ...]:
    kept = observed.slot.retained_bytes if observed.slot else None
    return (f"its slot retains {format_bytes(kept)} of WAL",) if kept is not None else ()


def is_still_active(observed: DatabaseObservation, worker_error: WorkerError) -> bool:
    """Whether an incident of the log still holds: its transaction, or its table's copy, is not through."""
    if worker_error.phase == "copy":
        return any(is_about(worker_error, key) for key in observed.not_ready)
    return observed.apply is None or observed.apply.still_affected_by(worker_error)


def is_about(worker_error: WorkerError, key: Named) -> bool:
    return worker_error.table in (key[1], table_text(key))


def last_logged(observed: DatabaseObservation, *categories: Category) -> tuple[str, ...]:
    """The latest words of the log about that, if it has any."""
    found = [i for i in observed.worker_errors if i.category in categories and is_still_active(observed, i)]
    return (f"log: {found[-1].summary}",) if found else ()
