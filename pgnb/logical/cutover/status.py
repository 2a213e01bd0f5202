"""The state of a cut-over by step and database, read from the servers.

An interrupted run therefore continues where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgnb.core.display import Cell, Displayable, Table, format_bytes
from pgnb.core.errors import ParameterError
from pgnb.core.parallel import map_parallel
from pgnb.logical.cutover.participants import Cutover
from pgnb.logical.orphaned_slots import orphaned_slots
from pgnb.logical.row_counts import RowCounts
from pgnb.logical.sequences import SequenceAdvance, advances_from_publisher, advances_from_rows
from pgnb.logical.slots import logical_slots
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import Subscription, read_subscriptions
from pgnb.logical.targets import databases_of
from pgnb.logical.write_block import WriteStatus, write_status
from pgnb.postgres.services import own_labels, read_service, selector_words
from pgnb.postgres.slots import Slot

COLUMNS = (
    "database",
    "writes",
    "tables ready",
    "confirmed",
    "rows",
    "sequences",
    "subscription",
    "slot",
    "reverse",
)


@dataclass(frozen=True)
class DatabaseState:
    """One database. `advances`: sequences that are behind.

    `write_status` is None if the publisher does not answer. `orphaned_slot`: its slot is left on a dead
    publisher; `reverse_subscription`: the publisher already follows the subscriber.
    """

    spec: DatabaseSpec
    write_status: WriteStatus | None
    subscription: Subscription | None
    slot: Slot | None
    advances: tuple[SequenceAdvance, ...]
    orphaned_slot: bool
    reverse_subscription: bool
    row_counts: RowCounts | None

    @property
    def blocked(self) -> bool:
        """Whether writes of clients are blocked in the publisher's database."""
        return self.write_status is not None and self.write_status.blocked

    @property
    def ready(self) -> bool:
        """Whether every table's copy has finished; for a dropped subscription it had."""
        return self.subscription is None or self.subscription.ready == self.subscription.tables

    @property
    def has_subscription(self) -> bool:
        """Whether its subscription still exists."""
        return self.subscription is not None


@dataclass(frozen=True, repr=False)
class CutoverStatus(Displayable):
    """All databases, and where the Service leads; `leads`: to the subscriber alone."""

    items: tuple[DatabaseState, ...]
    leads: bool
    leads_to: str
    service: str

    @property
    def table(self) -> Table:
        """The state of each step, one database a row."""
        note = f"Service {self.service}: {self.leads_to}" if self.items else "No database takes part."
        return Table.of(COLUMNS, [_line(item) for item in self.items], title="Steps by database", note=note)


def cutover_status(cut: Cutover) -> CutoverStatus:
    """Read the state of each step from both servers, or from the one that answers."""
    write_statuses = write_status(cut.publisher)
    slots = logical_slots(cut.publisher)
    orphaned = {one.database for one in orphaned_slots(cut.subscriber)}
    leads, words = _leads(cut)
    items = map_parallel(
        lambda spec: _state(
            cut, spec, write_statuses.get(spec.database), slots.get(spec.slot), orphaned, leads
        ),
        cut.specs,
    )
    return CutoverStatus(tuple(items), leads, words, cut.service)


def unfinished(cut: Cutover, status: CutoverStatus) -> bool:
    """Return whether a step remains: before a cut-over, or after an interrupted one."""
    lacks_reverse = bool(cut.reverse.service) and any(
        not state.reverse_subscription for state in status.items
    )
    return not status.leads or lacks_reverse or any(s.subscription or s.advances for s in status.items)


def _leads(cut: Cutover) -> tuple[bool, str]:
    try:
        now, desired = read_service(cut)["spec"]["selector"], own_labels(cut.subscriber)
    except ParameterError as wrong:
        return False, wrong.message
    leads = all(now.get(key) == value for key, value in desired.items())
    to = "leads to the subscriber" if leads else "does not lead to the subscriber"
    return leads, f"{to} ({selector_words(now)})"


def _state(
    cut: Cutover,
    spec: DatabaseSpec,
    write_status: WriteStatus | None,
    slot: Slot | None,
    orphaned: set[str],
    leads: bool,
) -> DatabaseState:
    subscription = read_subscriptions(cut.subscriber, spec.database).get(spec.subscription)
    reverse_subscription = write_status is not None and spec.subscription in read_subscriptions(
        cut.publisher, spec.database
    )
    advances = () if leads else advances_of(cut, spec, subscription)
    counted = cut.progress.row_counts.get(spec.database)
    return DatabaseState(
        spec,
        write_status,
        subscription,
        slot,
        advances,
        spec.database in orphaned,
        reverse_subscription,
        counted,
    )


def advances_of(
    cut: Cutover, spec: DatabaseSpec, subscription: Subscription | None
) -> tuple[SequenceAdvance, ...]:
    """Return the sequences that are behind the publisher or, without it, the rows and the margin.

    Without a publisher the sequences were set before the subscription was dropped: then only the rows count.
    """
    if cut.operation == "failover":
        return advances_from_rows(cut.subscriber, spec, cut.terms.margin if subscription else 0)
    there = databases_of(cut.publisher)
    return advances_from_publisher(cut.publisher, cut.subscriber, spec) if spec.database in there else ()


def _line(one: DatabaseState) -> tuple[object, ...]:
    dead = one.write_status is None
    confirmed = format_bytes(one.slot.lag_bytes) + " to go" if one.slot and one.subscription else "–"
    tables = f"{one.subscription.ready} of {one.subscription.tables}" if one.subscription else "–"
    counted = one.row_counts
    rows = "not counted" if counted is None else "differ" if counted.different else f"{counted.rows:,} equal"
    return (
        one.spec.database,
        "no publisher" if dead else Cell("blocked", "good") if one.blocked else "allowed",
        tables if one.ready else Cell(tables, "warn"),
        confirmed,
        rows,
        Cell(f"{len(one.advances)} behind", "warn") if one.advances else Cell("not behind", "good"),
        one.subscription.summary if one.subscription else Cell("dropped", "good"),
        "orphaned, recorded" if one.orphaned_slot else "unknown" if dead else "there" if one.slot else "none",
        "follows" if one.reverse_subscription else "–",
    )
