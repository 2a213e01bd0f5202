"""Checks of slots: none is over the cap, each has a standby, and the desired ones exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_bytes
from pgnb.physical.slots import Slots, own_slot, slots
from pgnb.postgres import Server


def cap_checks(server: Server, cap: int | None) -> list[Check]:
    """Check for each slot that its WAL is below max_slot_wal_keep_size = `cap` bytes (None: no cap).

    A slot over its cap is permanently lost at the next checkpoint.
    """
    if cap is None:
        remedy = "Without one, a stopped standby fills the primary's volume."
        return [Check("a cap for slots", False, "no limit", "a limit", remedy, advice=True)]
    return [
        Check(
            f"slot {slot.name} under the new cap",
            (slot.retained_bytes or 0) < cap,
            f"{format_bytes(slot.retained_bytes)} retained",
            f"below {format_bytes(cap)}",
            "The next checkpoint would lose it: let its standby catch up, drop the slot, or set a"
            " higher cap.",
        )
        for slot in slots(server)
        if not slot.lost
    ]


def slot_checks(primary: Server, standbys: Sequence[Server]) -> Checks:
    """Check that each physical slot has one standby, and each standby its own slot. All is advice.

    A standby that is scaled to 0 is not among `standbys`. So a slot without a standby is not called
    superfluous.
    """
    found, users = slots(primary), [(standby.name, own_slot(standby)) for standby in standbys]
    items = [*_of_slots(found, users), *(_of_standby(found, name, slot) for name, slot in users)]
    return Checks.of(f"Slots of {primary.name} and their standbys", items, primary.journal)


def _of_slots(found: Slots, users: Sequence[tuple[str, str]]) -> Iterable[Check]:
    for slot in found:
        if slot.physical and not slot.temporary:
            names = [name for name, own in users if own == slot.name]
            used = ", ".join(names) or (slot.consumer_words if slot.active else "no running standby")
            yield Check(
                f"{slot.name} has one standby",
                len(names) == 1 or (not names and slot.active),
                used,
                "one",
                "It keeps WAL for no running standby. If its standby will not return, drop the slot by name."
                if not names
                else "Each standby needs its own slot (02).",
                advice=True,
            )


def _of_standby(found: Slots, name: str, slot: str) -> Check:
    there = found.find(slot) if slot else None
    words = slot or "none"
    if slot and not there:
        words = f"{slot}, which does not exist"
    return Check(
        f"{name} has a slot",
        there is not None,
        words,
        "an existing slot",
        "Without one the primary may remove WAL that it needs: create it, and set primary_slot_name.",
        advice=True,
    )


def desired_slot_checks(primary: Server, desired: Sequence[str], dropped: str = "") -> Checks:
    """Check that each desired slot exists, is physical and keeps WAL, and that the dropped one is gone."""
    found = slots(primary)
    items = [_exists(found, name) for name in desired]
    if dropped:
        left = found.find(dropped)
        items.append(Check(f"slot {dropped}", left is None, left.summary if left else "none", "none"))
    return Checks.of(f"Slots of {primary.name}", items, primary.journal)


def _exists(found: Slots, name: str) -> Check:
    slot = found.find(name)
    ok = slot is not None and slot.physical and slot.reserved and not slot.lost
    return Check(
        f"slot {name}",
        ok,
        slot.summary if slot else "does not exist",
        "physical, with WAL reserved",
        "If it is lost, drop it by name, and make its standby again (03).",
    )
