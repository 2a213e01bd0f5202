"""What several rules judge by: which words of the log still hold, and what a slot keeps meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.display import format_bytes
from pgnb.core.findings import Finding
from pgnb.diagnosis.logical.observation import DatabaseSeen
from pgnb.logical.catalog import Named
from pgnb.logical.conflicts import Incident, Trouble

Findings = Iterator[Finding]
MISSING_TABLE = (
    "the table was made on the publisher first, so every table of the subscription waits",
    "Section 12.7 (12_07_add_table) makes it there; the apply goes on by itself.",
)
"""Cause and remedy, the same whether the log or the catalogs tell it."""


def words(key: Named) -> str:
    """A table as `schema.name`."""
    return f"{key[0]}.{key[1]}"


def retained(seen: DatabaseSeen) -> tuple[str, ...]:
    kept = seen.slot.retained_bytes if seen.slot else None
    return (f"its slot retains {format_bytes(kept)} of WAL",) if kept is not None else ()


def current(seen: DatabaseSeen, incident: Incident) -> bool:
    """Whether an incident of the log still holds: its transaction, or its table's copy, is not through."""
    if incident.phase == "copy":
        return any(concerns(incident, key) for key in seen.not_ready)
    return seen.apply is None or seen.apply.meets(incident)


def concerns(incident: Incident, key: Named) -> bool:
    return incident.table in (key[1], words(key))


def logged(seen: DatabaseSeen, *troubles: Trouble) -> tuple[str, ...]:
    """The latest words of the log about that, if it has any."""
    found = [i for i in seen.incidents if i.trouble in troubles and current(seen, i)]
    return (f"log: {found[-1].summary}",) if found else ()
