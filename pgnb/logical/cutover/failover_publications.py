"""Publications on the server that took over without its publisher, so that others can follow it (12.10).

They are made last, when clients write again. A database in which they would make UPDATE or DELETE fail gets
none: it is named, with the remedy.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgnb.core.checks import Check
from pgnb.core.parallel import map_parallel
from pgnb.logical.cutover.participants import Cutover
from pgnb.logical.publication import read_publications
from pgnb.logical.publications import plan_publications, update_checks
from pgnb.logical.specs import DatabaseSpec

_LEVEL = "Subscriptions to it need that, and a restart of the new primary (06_online_changes)."


def unpublished(cut: Cutover) -> list[DatabaseSpec]:
    """The databases of the new primary that lack their publication and can have it. Raises QueryFailed."""
    lacking = _lacking(cut)
    refused = {check.name for check in update_checks(cut.subscriber, lacking).failed}
    return [spec for spec in lacking if not any(name.startswith(f"{spec.database}: ") for name in refused)]


def _lacking(cut: Cutover) -> list[DatabaseSpec]:
    there = map_parallel(
        lambda spec: spec.publication in read_publications(cut.subscriber, spec.database), cut.specs
    )
    return [spec for spec, has in zip(cut.specs, there, strict=True) if not has]


def publish(cut: Cutover) -> str:
    """Make the publications that are lacking, of all tables; those that cannot be made are named."""
    chosen = unpublished(cut)
    outcome = plan_publications(cut.subscriber, chosen).apply().outcome if chosen else "none was lacking"
    left = [spec.database for spec in _lacking(cut)]
    return f"{outcome}; left out, see the checks: {', '.join(left)}" if left else outcome


def publishing_checks(cut: Cutover, *, done: bool) -> Iterator[Check]:
    """Before: which databases get none, and why, as advice. Once `done`: that all the others have theirs."""
    for check in update_checks(cut.subscriber, _lacking(cut)):
        yield Check(
            f"{check.name} (publication)",
            check.ok,
            check.found,
            check.wanted,
            f"No publication is made there. {check.remedy}".strip(),
            advice=True,
        )
    level = str(cut.subscriber.scalar("SELECT pg_catalog.current_setting('wal_level')"))
    yield Check("wal_level of the new primary", level == "logical", level, "logical", _LEVEL, advice=True)
    if done:
        lacking = [spec.database for spec in unpublished(cut)]
        yield Check(
            "publications on the new primary",
            not lacking,
            ", ".join(lacking) or "there",
            "there",
            "Run this again: it goes on from here.",
        )
