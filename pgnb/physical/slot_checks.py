"""Slots held against what they are for: a cap that loses none of them, and a standby for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pgnb.core.checks import Check, Checks
from pgnb.core.display import format_bytes
from pgnb.physical.slots import Slots, own_slot, slots
from pgnb.postgres import Server


def cap_checks(server: Server, cap: int | None) -> list[Check]:
    """One check a slot: what it keeps now would survive max_slot_wal_keep_size = `cap` bytes.

    A cap of None is none. A slot over its cap is lost at the next checkpoint, for good.
    """
    if cap is None:
        remedy = "A standby that is away then fills the primary's volume."
        return [Check("a cap for slots", False, "no limit", "a limit", remedy, advice=True)]
    return [
        Check(
            f"slot {slot.name} under the new cap",
            (slot.retained_bytes or 0) < cap,
            f"{format_bytes(slot.retained_bytes)} retained",
            f"below {format_bytes(cap)}",
            "The next checkpoint would lose it: let its standby catch up, or drop the slot, or cap higher.",
        )
        for slot in slots(server)
        if not slot.lost
    ]


def slot_checks(primary: Server, standbys: Sequence[Server]) -> Checks:
    """Whether each physical slot has a standby, and each standby a slot of its own; all of it is advice.

    A slot without a standby keeps WAL for nobody; two standbys can't share one. A standby that is scaled
    to 0 is not among `standbys`, so nobody is said to be superfluous.
    """
    found, users = slots(primary), [(standby.name, own_slot(standby)) for standby in standbys]
    items = [*_of_slots(found, users), *(_of_standby(found, name, slot) for name, slot in users)]
    return Checks.of(f"Slots of {primary.name} and their standbys", items, primary.journal)


def _of_slots(found: Slots, users: Sequence[tuple[str, str]]) -> Iterable[Check]:
    for slot in found:
        if slot.physical and not slot.temporary:
            names = [name for name, own in users if own == slot.name]
            used = ", ".join(names) or (slot.consumer_words if slot.active else "none that runs")
            yield Check(
                f"{slot.name} has one standby",
                len(names) == 1 or (not names and slot.active),
                used,
                "one",
                "It keeps WAL for nobody that runs: if its standby will not come back, drop it by name."
                if not names
                else "Each standby needs a slot of its own (02).",
                advice=True,
            )


def _of_standby(found: Slots, name: str, slot: str) -> Check:
    there = found.find(slot) if slot else None
    words = slot or "none"
    if slot and not there:
        words = f"{slot}, which is not there"
    return Check(
        f"{name} has a slot",
        there is not None,
        words,
        "one that is there",
        "Without one the primary may remove WAL that it still needs: make it, and set primary_slot_name.",
        advice=True,
    )


def desired_slot_checks(primary: Server, wanted: Sequence[str], gone: str = "") -> Checks:
    """Each wanted slot is there, physical, and keeps WAL; the one that was to go is gone."""
    found = slots(primary)
    items = [_is_there(found, name) for name in wanted]
    if gone:
        left = found.find(gone)
        items.append(Check(f"slot {gone}", left is None, left.summary if left else "gone", "gone"))
    return Checks.of(f"Slots of {primary.name}", items, primary.journal)


def _is_there(found: Slots, name: str) -> Check:
    slot = found.find(name)
    ok = slot is not None and slot.physical and slot.reserved and not slot.lost
    return Check(
        f"slot {name}",
        ok,
        slot.summary if slot else "not there",
        "physical, with WAL reserved",
        "One that is lost is dropped by name, and its standby made anew (03).",
    )
