"""Which table an incident is about, where the log alone does not tell: the apply worker of 14 names none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pgnb.logical.catalog import Named
from pgnb.logical.conflicts import Incident
from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import Server


def located(subscriber: Server, spec: DatabaseSpec, tables: Iterable[Named], incident: Incident) -> Incident:
    """The incident with its table as `schema.name`, where the name alone or its constraint fits one table.

    `tables` are those of the subscription. What a copy reports stays as it is, and what fits several.
    """
    if incident.phase == "copy" or "." in incident.table:
        return incident
    if incident.table:
        found = [key for key in tables if key[1] == incident.table]
    else:
        found = _constrained(subscriber, spec, incident.constraint)
    return replace(incident, table=".".join(found[0])) if len(found) == 1 else incident


def _constrained(subscriber: Server, spec: DatabaseSpec, constraint: str) -> list[Named]:
    if not constraint:
        return []
    named = {"subscription": spec.subscription, "constraint": constraint}
    rows = subscriber.query("logical/constrained_tables", named, database=spec.database)
    return [(row["schema"], row["table"]) for row in rows]
