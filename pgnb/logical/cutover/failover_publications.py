"""Publications on the new primary after a failover, so that others can subscribe to it (12.10).

They are created last, when clients write again. A database in which they would make UPDATE or DELETE fail
gets none; it is named, with the remedy.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.checks import Check
from pgnb.core.parallel import map_parallel
from pgnb.logical.cutover.participants import Cutover
from pgnb.logical.publication import read_publications
from pgnb.logical.publications import plan_publications, update_checks
from pgnb.logical.specs import DatabaseSpec

_LEVEL = "Subscriptions to it need this, with a restart of the new primary (06_online_changes)."


def unpublished(cut: Cutover) -> list[DatabaseSpec]:
    """Return the databases whose publication is missing and can be created. Raises QueryFailed."""
    lacking = _lacking(cut)
    refused = {check.name for check in update_checks(cut.subscriber, lacking).failed}
    return [spec for spec in lacking if not any(name.startswith(f"{spec.database}: ") for name in refused)]


def _lacking(cut: Cutover) -> list[DatabaseSpec]:
    there = map_parallel(
        lambda spec: spec.publication in read_publications(cut.subscriber, spec.database), cut.specs
    )
    return [spec for spec, has in zip(cut.specs, there, strict=True) if not has]


def publish(cut: Cutover) -> str:
    """Create the missing publications, of all tables; name those that cannot be created."""
    chosen = unpublished(cut)
    outcome = plan_publications(cut.subscriber, chosen).apply().outcome if chosen else "none was missing"
    left = [spec.database for spec in _lacking(cut)]
    return f"{outcome}; not created, see the checks: {', '.join(left)}" if left else outcome


def publishing_checks(cut: Cutover, *, done: bool) -> Iterator[Check]:
    """Check, as advice, which databases get no publication; once `done`, that all others have theirs."""
    for check in update_checks(cut.subscriber, _lacking(cut)):
        yield Check(
            f"{check.name} (publication)",
            check.ok,
            check.found,
            check.wanted,
            f"No publication is created there. {check.remedy}".strip(),
            advice=True,
        )
    level = str(cut.subscriber.scalar("SELECT pg_catalog.current_setting('wal_level')"))
    yield Check("wal_level of the new primary", level == "logical", level, "logical", _LEVEL, advice=True)
    if done:
        lacking = [spec.database for spec in unpublished(cut)]
        yield Check(
            "publications on the new primary",
            not lacking,
            ", ".join(lacking) or "present",
            "present",
            "Run this notebook again: it continues from here.",
        )
