"""Wait until the subscriber has applied everything up to an LSN of the publisher, in every database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from pgnb.core.display import Displayable, Table, format_bytes, format_duration
from pgnb.core.errors import DeadlineExceeded
from pgnb.core.wait import wait_until
from pgnb.logical.slots import logical_slots
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.status import logical_status
from pgnb.postgres import Server
from pgnb.postgres.progress import lsn_bytes, lsn_diff, marker
from pgnb.postgres.slots import Slot

_LOOK_EVERY = 0.05


@dataclass(frozen=True, repr=False)
class Confirmed(Displayable):
    """The marker's LSN and what each slot has confirmed; `seconds`: how long the wait took."""

    lsn: str
    positions: tuple[tuple[str, str], ...]
    seconds: float

    @property
    def table(self) -> Table:
        """Each slot's confirmed position and the marker's."""
        rows = [(slot, position, self.lsn) for slot, position in self.positions]
        note = f"confirmed after {format_duration(self.seconds)}" if rows else "This run only plans."
        return Table.of(("slot", "confirmed", "marker"), rows, title="Confirmed positions", note=note)


def wait_applied(
    publisher: Server,
    subscriber: Server,
    specs: Sequence[DatabaseSpec],
    *,
    lsn: str = "",
    timeout: float = 120.0,
) -> Confirmed:
    """Wait until each slot has confirmed everything before `lsn` (empty: a marker written now).

    confirmed_flush_lsn advances when the changes are on the subscriber's disk. This covers tables that are
    ready; for those that are being copied see `wait_copied`. `timeout` in seconds. A plan-only run does not
    wait. Raises DeadlineExceeded with each database that is behind and its subscription's state.
    """
    lsn, started = lsn or marker(publisher), monotonic()
    if publisher.journal.dry_run:
        return Confirmed(lsn, (), 0.0)
    try:
        slots = wait_until(
            f"{subscriber.name} to confirm {lsn}",
            lambda: logical_slots(publisher),
            lambda slots: not unconfirmed(slots, specs, lsn),
            timeout=timeout,
            every=_LOOK_EVERY,
            describe=lambda slots: "; ".join(unconfirmed(slots, specs, lsn)) or "confirmed",
        )
    except DeadlineExceeded as late:
        status = logical_status(publisher, subscriber, specs)
        states = "; ".join(f"{one.database}: {one.state}" for one in status.items if not one.streams)
        raise DeadlineExceeded(
            late.message,
            found=f"{late.found}; {states or 'all stream'}",
            remedy="If all stream, the apply worker is slow or waits for a lock. Otherwise 12.9 names the"
            " cause.",
        ) from late
    positions = tuple((spec.slot, slots[spec.slot].confirmed_flush_lsn or "") for spec in specs)
    return Confirmed(lsn, positions, monotonic() - started)


def unconfirmed(slots: dict[str, Slot], specs: Sequence[DatabaseSpec], lsn: str) -> list[str]:
    """Return, as text, each database whose slot has not confirmed everything before `lsn`."""
    found = []
    for spec in specs:
        slot = slots.get(spec.slot)
        position = slot.confirmed_flush_lsn if slot else None
        if position is None:
            found.append(f"{spec.database}: {'nothing confirmed yet' if slot else 'no slot'}")
        elif lsn_bytes(position) < lsn_bytes(lsn):
            found.append(f"{spec.database}: {format_bytes(lsn_diff(lsn, position))} to go")
    return found
