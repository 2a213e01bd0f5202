"""Replication slots: their WAL and consumers; create them with WAL reserved at once, drop them by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Displayable, Table, Tone, format_bytes
from pgnb.core.errors import ParameterError
from pgnb.core.plan import Change, Confirmation, Step
from pgnb.postgres import Server
from pgnb.postgres.slots import Slot, read_slots

_NAME = re.compile(r"[a-z0-9_]{1,63}\Z")
_CREATE = "SELECT pg_catalog.pg_create_physical_replication_slot(%s, true)"
_DROP = "SELECT pg_catalog.pg_drop_replication_slot(%s)"
_DETAILS = (
    "plugin",
    "database",
    "temporary",
    "active_pid",
    "consumer_state",
    "confirmed_flush_lsn",
    "catalog_xmin_age",
    "two_phase",
    "two_phase_at",
    "conflicting",
    "invalidation_reason",
    "failover",
    "synced",
)
_WAL_TONES: dict[str, Tone] = {"reserved": "good", "extended": "good", "unreserved": "bad", "lost": "bad"}


@dataclass(frozen=True, repr=False)
class Slots(Displayable):
    """Every slot of one server."""

    items: tuple[Slot, ...]
    title: str = "Replication slots"

    def __iter__(self) -> Iterator[Slot]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def find(self, name: str) -> Slot | None:
        """Return the slot of exactly that name, if any."""
        return next((slot for slot in self.items if slot.name == name), None)

    @property
    def table(self) -> Table:
        """One line for each slot: its type, consumer, kept WAL, and distance from its cap."""
        columns = (
            "slot",
            "type",
            "active by",
            "restart_lsn",
            "retained",
            "wal_status",
            "safe_wal_size",
            "xmin age",
            "inactive since",
        )
        rows = [
            (
                s.name,
                s.type,
                s.consumer_words if s.active else Cell("inactive", "warn"),
                s.restart_lsn,
                format_bytes(s.retained_bytes),
                _status_cell(s),
                format_bytes(s.safe_wal_size),
                s.xmin_age,
                s.inactive_since,
            )
            for s in self.items
        ]
        return Table.of(columns, rows, title=self.title, note="" if rows else "There are no slots.")

    @property
    def details(self) -> Table:
        """The other columns of pg_replication_slots that this server's version has."""
        known = [name for name in _DETAILS if any(getattr(slot, name) is not None for slot in self.items)]
        rows = [(slot.name, *(getattr(slot, name) for name in known)) for slot in self.items]
        return Table.of(("slot", *known), rows, title=f"{self.title}: other columns")


def _status_cell(slot: Slot) -> Cell:
    text = slot.wal_status or "not reserved"
    if slot.invalidation_reason:
        text = f"{text}: {slot.invalidation_reason}"
    return Cell(text, _WAL_TONES.get(slot.wal_status or "", "warn"))


def slots(server: Server) -> Slots:
    """Read every replication slot (pg_replication_slots joined with pg_stat_replication)."""
    return Slots(read_slots(server), f"Replication slots of {server.name}")


def check_slot_name(name: str) -> str:
    """Return the name if the server accepts it (the manual, "Replication Slots"). Raises ParameterError."""
    if not _NAME.match(name):
        raise ParameterError(
            f"{name!r} is not a valid slot name",
            found=f"{len(name)} characters",
            remedy="Use 1 to 63 lower-case letters, digits and underscores.",
        )
    return name


def plan_slot(server: Server, name: str, *, consumer: str = "") -> Change:
    """Plan to create a physical slot that reserves WAL from now on; a usable existing one is kept.

    `consumer` is the application_name of its standby: a slot that another consumer reads from is refused.
    An inactive slot that reserves no WAL is created again, which loses nothing. Raises ParameterError for
    an invalid name, and for an unusable slot of that name.
    """
    check_slot_name(name)
    there = slots(server).find(name)
    if there is not None:
        _assert_usable(there, consumer)
        if there.reserved or there.active:
            return Change(f"slot {name}", server.journal, note=f"It exists: {there.summary}.")
    elif server.present:
        _assert_room(server, 1)
    steps = [_create_step(server, name)]
    if there is not None:
        steps.insert(0, _drop_step(server, name, "it reserves no WAL, so nothing is lost"))
    before = f"{name}: {there.summary}\n" if there else ""
    return Change(
        f"slot {name}",
        server.journal,
        before,
        f"{name}: physical, WAL reserved from now on\n",
        steps,
        note="It keeps WAL until its standby has received it, up to max_slot_wal_keep_size.",
        undo_text=f"drop the slot {name}",
        undo=lambda: plan_drop_slot(server, name),
    )


def plan_slots(server: Server, names: Sequence[str]) -> Change:
    """Plan to create physical slots by name, one for each standby; usable existing ones are kept.

    Raises as `plan_slot` does, and ParameterError if max_replication_slots is too low.
    """
    plans = [plan_slot(server, name) for name in dict.fromkeys(names)]
    _assert_room(server, sum(bool(plan) for plan in plans))
    title = f"slots {', '.join(names) or '(none)'}"
    return Change.combine(title, server.journal, plans, note="No slot was named.")


def _create_step(server: Server, name: str) -> Step:
    def run() -> str:
        server.execute(_CREATE, (name,), what=f"SELECT pg_create_physical_replication_slot('{name}', true)")
        made = slots(server).find(name)
        return f"WAL is reserved from {made.restart_lsn} on" if made else "not found after it"

    return Step(server.name, f"create the physical slot {name}, reserving WAL at once", run, journalled=True)


def _drop_step(server: Server, name: str, why: str) -> Step:
    def run() -> str:
        server.execute(_DROP, (name,), what=f"SELECT pg_drop_replication_slot('{name}')")
        return "dropped"

    return Step(server.name, f"drop the slot {name} ({why})", run, journalled=True)


def _assert_usable(slot: Slot, consumer: str) -> None:
    if not slot.physical:
        raise _unusable(slot, "is logical", "Choose another name for the standby's slot.")
    if slot.lost:
        raise _unusable(
            slot,
            "has lost WAL",
            "That WAL is gone. Drop the slot by name (section 7), create it again, and take a new base"
            " backup.",
        )
    if slot.temporary:
        raise _unusable(slot, "is temporary and ends with its session", "Choose another name.")
    if slot.active and consumer and slot.consumer != consumer:
        raise _unusable(
            slot,
            f"is read by {slot.consumer_words}, not by {consumer}",
            "Give each standby its own slot. Stop the other consumer only if it is no longer needed.",
        )


def _unusable(slot: Slot, why: str, remedy: str) -> ParameterError:
    return ParameterError(f"the slot {slot.name} {why}", found=slot.summary, remedy=remedy)


def _assert_room(server: Server, more: int) -> None:
    room = server.fetch_one("physical/room")
    if not room or not more:
        return
    if room["wal_level"] == "minimal":
        raise ParameterError(
            f"{server.name} writes too little WAL for a standby",
            found="wal_level = minimal",
            remedy="Set wal_level = replica (restart).",
        )
    if room["slots"] + more > room["max_slots"]:
        raise ParameterError(
            f"{server.name} has no room for {'another slot' if more == 1 else f'{more} more slots'}",
            found=f"{room['slots']} of max_replication_slots = {room['max_slots']} are in use",
            remedy="Drop an unused slot (section 7), or raise max_replication_slots (restart).",
        )


def plan_drop_slot(server: Server, name: str, standbys: Sequence[Server] = ()) -> Change:
    """Plan to drop one inactive slot by its exact name; needs the confirmation `drop_slot`, the name.

    Empty if the slot does not exist, or without a name. Raises ParameterError for an active slot, naming
    its consumer, and for one that is primary_slot_name of a server in `standbys`.
    """
    there = slots(server).find(check_slot_name(name)) if name else None
    if there is None:
        why = "There is no slot of that name." if name else "No slot was named."
        return Change(f"drop slot {name or '(none)'}", server.journal, note=why)
    if there.active:
        raise _unusable(there, "is in use", "Stop its consumer first (a standby: scale it to 0).")
    if users := [standby.name for standby in standbys if own_slot(standby) == name]:
        raise _unusable(
            there,
            f"is primary_slot_name of {', '.join(users)}",
            "That standby could no longer stream: give it another slot first, or remove the standby.",
        )
    return Change(
        f"drop slot {name}",
        server.journal,
        f"{name}: {there.summary}\n",
        "",
        [_drop_step(server, name, "its consumer is stopped")],
        note=f"{_consumer_words(there)} that still needs its WAL must then be made again.",
        undo_text="none: the WAL that it kept is removed",
        confirmations=[
            Confirmation("drop_slot", name, f"The WAL that the slot {name} keeps will be removed.")
        ],
        precheck=lambda: _still_inactive(server, name),
    )


def own_slot(standby: Server) -> str:
    """Return a standby's primary_slot_name; empty if it has none, or does not exist."""
    found = standby.settings(["primary_slot_name"]) if standby.present else ()
    return next((setting.value for setting in found), "")


def _consumer_words(slot: Slot) -> str:
    return "A standby" if slot.physical else f"A subscriber (plugin {slot.plugin}, database {slot.database})"


def _still_inactive(server: Server, name: str) -> Checks:
    slot = slots(server).find(name)
    found = slot.summary if slot else "does not exist"
    ok = slot is not None and not slot.active
    check = Check(f"slot {name}", ok, found, "inactive", "Stop its consumer first.")
    return Checks.of(f"Dropping the slot {name}", [check], server.journal)
