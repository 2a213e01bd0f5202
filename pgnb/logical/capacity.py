"""What logical replication of several databases needs from both servers' settings, in numbers.

With the default of four workers, the initial copies of six subscriptions do not start: the tables stay in
state i, no error is counted, and only a line of the log says so (fact 42).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Displayable, Table
from pgnb.core.parallel import AT_ONCE, map_parallel
from pgnb.logical.schema import uncopied
from pgnb.logical.slots import logical_slots
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import read_subscriptions
from pgnb.logical.targets import databases_of
from pgnb.postgres import Server

_COPYING = 20
"""Databases whose tables are copied at the same time with the numbers requested here."""
_PARALLEL_APPLY = 2
_SPARE = 2
_RESTART = "12_00_logical_replication (12.2, 12.3) sets it with allow_restart = True; it needs one restart."

_ALLOW = "Set allow_restart = True if that server may be restarted; or set these by hand and restart it."


@dataclass(frozen=True, repr=False)
class Needs(Displayable):
    """The minimum of each setting on both servers, by the setting's name."""

    publisher: dict[str, str]
    subscriber: dict[str, str]

    @property
    def table(self) -> Table:
        """The settings of both servers."""
        sides = (("publisher", self.publisher), ("subscriber", self.subscriber))
        rows = [(side, setting, value) for side, settings in sides for setting, value in settings.items()]
        return Table.of(("side", "setting", "needed"), rows, title="What these databases need")


def worker_settings(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Needs:
    """Return the settings that these databases need, in addition to the servers' present use.

    Each database takes a slot and a walsender on the publisher, and an apply worker and a replication origin
    on the subscriber; an initial copy takes one of each for each table at a time. Copies begin while the last
    subscriptions are still being created, so there is room for both. The subscriber needs room for the locks
    of the schemas that are loaded into it. Values are minima (">= 10"), for `plan_settings`. Source: the
    manual, "Configuration Settings" of logical replication.
    """
    here = publisher.fetch_one("logical/capacity")
    there = subscriber.fetch_one("logical/capacity") or {**here, "subscriptions": 0, "origins": 0, "slots": 0}
    known = logical_slots(publisher)
    new = sum(spec.slot not in known for spec in specs)
    # Existing subscriptions ask for no more than they have, so that a later run needs no restart.
    copies = there["max_sync_workers"] * min(new, _COPYING)
    spare = _SPARE if new else 0
    present = _present(subscriber, specs)
    workers = max(0, there["subscriptions"] - present) + len(specs)
    workers += copies + _PARALLEL_APPLY if new else there["max_sync_workers"]
    busy = _most_copies(there, new, workers)
    origin_count = max(0, there["origins"] - present) + len(specs) + busy + spare
    origins = "max_active_replication_origins" if subscriber.facts.major >= 18 else "max_replication_slots"
    return Needs(
        {
            "wal_level": "logical",
            "max_replication_slots": f">= {here['slots'] + new + busy + spare}",
            "max_wal_senders": f">= {here['senders'] + new + busy + spare}",
        },
        {
            origins: f">= {max(there['slots'], origin_count)}",
            "max_logical_replication_workers": f">= {workers}",
            "max_worker_processes": f">= {workers + there['max_parallel_workers'] + 1}",
            **lock_settings(publisher, subscriber, specs),
        },
    )


def _most_copies(there: Mapping[str, int], new: int, workers: int) -> int:
    """Return how many tables are copied at once, at most: early apply workers start copies, too."""
    each = there["max_sync_workers"]
    free = max(workers, there["max_logical_replication_workers"]) - there["subscriptions"]
    return min(each * new, each * free // (each + 1))


def _present(subscriber: Server, specs: Sequence[DatabaseSpec]) -> int:
    there = databases_of(subscriber)
    return sum(
        spec.subscription in read_subscriptions(subscriber, spec.database)
        for spec in specs
        if spec.database in there
    )


def restart_checks(
    publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec], *, allow_restart: bool
) -> Checks:
    """Check each server that needs a restart: it must be allowed before the first setting is written."""
    needs = worker_settings(publisher, subscriber, specs)
    items = []
    for server, wanted in ((publisher, needs.publisher), (subscriber, needs.subscriber)):
        waiting = [one for one in server.settings(wanted) if not one.met and one.needs == "restart"]
        words = "; ".join(f"{one.name}: {one.shown}, needed {one.desired}" for one in waiting)
        items.append(
            Check(
                f"restart of {server.name}",
                allow_restart or not waiting,
                words or "none needed",
                "none needed, or allow_restart = True",
                _ALLOW,
            )
        )
    return Checks.of("Restarts that the settings need", items, publisher.journal)


def capacity_checks(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> Iterator[Check]:
    """Check each of these settings as it is in force; the remedy names the restart."""
    needs = worker_settings(publisher, subscriber, specs)
    for server, side, wanted in (
        (publisher, "publisher", needs.publisher),
        (subscriber, "subscriber", needs.subscriber),
    ):
        for setting in server.settings(wanted):
            yield Check(
                f"{side}: {setting.name}", setting.met, setting.display, setting.desired_display, _RESTART
            )


SETTING = "max_locks_per_transaction"
_MORE = 1.1
"""Types, schemas and functions are locked as well, and other sessions hold locks meanwhile."""


def lock_settings(publisher: Server, subscriber: Server, specs: Sequence[DatabaseSpec]) -> dict[str, str]:
    """Return what the subscriber needs to load the missing schemas; empty if it has room.

    Each schema is loaded in one transaction, which locks each relation that it creates. Without room, a load
    of ten thousand tables ends with "out of shared memory". A database that the publisher lacks has nothing
    to load. Schemas are loaded in parallel, so the largest of them count together. For a subscriber that does
    not exist yet the publisher's numbers are used. Raises QueryFailed. Source: the manual,
    max_locks_per_transaction.
    """
    here = databases_of(publisher)
    there = [spec for spec in specs if spec.database in here]
    missing = uncopied(subscriber, there) if subscriber.present else there
    if not missing:
        return {}
    found = map_parallel(
        lambda spec: publisher.fetch_one("logical/relations", database=spec.database), missing
    )
    needed = sum(sorted((int(row["relations"]) for row in found), reverse=True)[:AT_ONCE]) * _MORE
    room = subscriber.fetch_one("logical/lock_table") or publisher.fetch_one("logical/lock_table")
    if needed <= room["locks"] * room["holders"]:
        return {}
    return {SETTING: f">= {ceil(needed / room['holders'])}"}
