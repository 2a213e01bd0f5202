"""WAL that slots keep, compared with its limits: the slot's cap, and the room on the volume.

A slot whose standby is away keeps every byte of WAL that is written. Then either the cap is reached, and the
slot is lost at a checkpoint, after which its standby needs an archive or a new base backup; or the volume is
full, and the primary stops. The time until then depends on the present rate of WAL, which takes two
measurements (facts 29 and 39).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Event
from time import monotonic

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Displayable, Table, Tone, format_bytes, format_duration
from pgnb.core.errors import ParameterError
from pgnb.core.journal import Journal
from pgnb.core.wait import SHOWN_AFTER, Progress
from pgnb.postgres import Server
from pgnb.postgres.disk import Space, space_of
from pgnb.postgres.rows import Rows

XMIN_AGE = 10_000_000
"""Transactions: a tenth of what autovacuum_freeze_max_age leaves (200 million), and bloat by then."""
_TONES: dict[str, Tone] = {"reserved": "good", "extended": "good", "unreserved": "bad", "lost": "bad"}


@dataclass(frozen=True)
class SlotRetention:
    """One slot: bytes of WAL `retained` (None: nothing is reserved), and `growth`, their change a second."""

    name: str
    active: bool
    wal_status: str | None
    retained: int | None
    safe_wal_size: int | None
    xmin_age: int | None
    growth: float = 0.0


@dataclass(frozen=True, repr=False)
class Retention(Displayable):
    """What a server keeps, and its limits; sizes in bytes, `rate` in bytes of WAL a second.

    `cap` is max_slot_wal_keep_size (None: no limit), `free` the room on the volume of pg_wal (None: not
    known), `wal_bytes` the present size of pg_wal.
    """

    server: str
    rate: float
    seconds: float
    wal_bytes: int
    cap: int | None
    keep_size: int
    max_wal_size: int
    slots: tuple[SlotRetention, ...]
    free: int | None = None

    @property
    def full_at(self) -> int | None:
        """How much WAL fits on the volume."""
        return None if self.free is None else self.wal_bytes + self.free

    def until_cap(self, slot: SlotRetention) -> float | None:
        """Return the seconds until the slot reaches its cap if it keeps all WAL.

        None: not at this rate.
        """
        return None if self.cap is None else self._until(slot, self.cap)

    def until_full(self, slot: SlotRetention) -> float | None:
        """Return the seconds until the volume is full if the slot keeps all WAL from now on.

        None: not at this rate, or the cap is reached first.
        """
        if self.full_at is None or (self.cap is not None and self.cap <= self.full_at):
            return None
        return self._until(slot, self.full_at)

    def _until(self, slot: SlotRetention, limit: int) -> float | None:
        if slot.retained is None or self.rate <= 0:
            return None
        return max(0.0, limit - slot.retained) / self.rate

    @property
    def nearest(self) -> tuple[SlotRetention, float, str] | None:
        """The slot that reaches a limit first, in how many seconds, and what happens then."""
        ends = [
            (taken, what, slot)
            for slot in self.slots
            for taken, what in (
                (self.until_cap(slot), "the slot reaches its cap"),
                (self.until_full(slot), "the volume is full"),
            )
            if taken is not None
        ]
        if not ends:
            return None
        taken, what, slot = min(ends, key=lambda end: (end[2].active, end[0]))
        return slot, taken, what

    @property
    def finding(self) -> str:
        """The finding, in one sentence."""
        if not self.slots:
            return "There is no slot: nothing keeps WAL for a standby"
        if gone := [slot.name for slot in self.slots if slot.wal_status == "lost"]:
            return f"Lost: {', '.join(gone)}; its standby needs the WAL from an archive, or a new base backup"
        most = max(self.slots, key=lambda slot: slot.retained or 0)
        words = f"{most.name} keeps {format_bytes(most.retained or 0)} of WAL"
        return f"{words}; {self._end_words(most)}"

    def _end_words(self, named: SlotRetention) -> str:
        if self.nearest is None:
            return "no WAL is written now" if self.rate <= 0 else "neither cap nor volume limits it"
        slot, taken, what = self.nearest
        who = "its standby" if slot is named else f"the standby of {slot.name}"
        state = "if {who} stopped now" if slot.active else "{who} is away"
        return f"{state.format(who=who)}: {what} in {about(taken)} at the present rate ({_rate(self.rate)})"

    @property
    def table(self) -> Table:
        """One slot a line, with the time until each limit."""
        columns = ("slot", "state", "retained", "grows by", "wal_status", "lost in", "volume full in")
        rows = [
            (
                s.name,
                "active" if s.active else Cell("inactive", "warn"),
                format_bytes(s.retained),
                _rate(s.growth),
                Cell(s.wal_status or "not reserved", _TONES.get(s.wal_status or "", "warn")),
                about(self.until_cap(s)),
                about(self.until_full(s)),
            )
            for s in self.slots
        ]
        return Table.of(columns, rows, title=f"WAL that {self.server} keeps", note=self._note())

    def _note(self) -> str:
        free = "not known" if self.free is None else format_bytes(self.free)
        cap = "none" if self.cap is None else format_bytes(self.cap)
        return (
            f"WAL is written at {_rate(self.rate)}, measured for"
            f" {format_duration(self.seconds)}. Cap: {cap}; wal_keep_size:"
            f" {format_bytes(self.keep_size)}; size of pg_wal:"
            f" {format_bytes(self.wal_bytes)}; free on its volume: {free}.\nThe times are"
            " those of a slot that keeps all WAL from now on, as it does when its standby is"
            " away."
        )

    def checks(self, journal: Journal, *, least_hours: float = 24.0) -> Checks:
        """Check the limits of the WAL that slots keep, and how long a standby may be away; all are advice."""
        items = [*self._limit_checks(), *(c for slot in self.slots for c in self._checks(slot, least_hours))]
        return Checks.of(f"WAL that {self.server} keeps", items, journal)

    def _limit_checks(self) -> Iterable[Check]:
        found = "no limit" if self.cap is None else format_bytes(self.cap)
        yield Check(
            "max_slot_wal_keep_size",
            self.cap is not None,
            found,
            "a limit",
            "Without a cap one standby that is away fills the primary's volume.",
            advice=True,
        )
        if self.cap is None or self.full_at is None:
            return
        need = self.cap + self.max_wal_size
        yield Check(
            "the cap is reached before the volume is full",
            need <= self.full_at,
            f"room for {format_bytes(self.full_at)} of WAL, by df of the whole file system",
            f"{format_bytes(need)} (cap and max_wal_size)",
            "Lower max_slot_wal_keep_size, or enlarge the volume: a full volume stops the"
            " primary. A volume that shares a file system (hostPath, local-path, the"
            " rehearsal's) may really have less.",
            advice=True,
        )

    def _checks(self, slot: SlotRetention, least_hours: float) -> Iterable[Check]:
        kept = slot.wal_status in ("reserved", "extended")
        yield Check(
            f"{slot.name}: WAL is kept",
            kept,
            slot.wal_status or "not reserved",
            "reserved or extended",
            "If lost: let the standby catch up from an archive (restore_command), or drop"
            " the slot and take a new base backup (03). If unreserved: the standby must"
            " catch up before the next checkpoint; then the slot is reserved again. If not"
            " reserved: it has not been used yet.",
            advice=True,
        )
        age = slot.xmin_age or 0
        yield Check(
            f"{slot.name}: age of xmin",
            age < XMIN_AGE,
            age,
            f"below {XMIN_AGE:,} transactions",
            "Vacuum can remove nothing newer: check hot_standby_feedback, and whether the"
            " standby is still running.",
            advice=True,
        )
        ends = [end for end in (self.until_cap(slot), self.until_full(slot)) if end is not None]
        if ends:
            yield Check(
                f"{slot.name}: its standby may be away for",
                min(ends) >= least_hours * 3600,
                about(min(ends)),
                f"at least {least_hours:g} h at the present rate",
                "Raise the cap or enlarge the volume, or be ready to restore a standby sooner.",
                advice=True,
            )


def about(seconds: float | None) -> str:
    """Return a future time as exact as a rate measured over seconds allows: about 14 days, about 3 hours."""
    if seconds is None:
        return format_duration(None)
    for size, name in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"about {seconds / size:,.0f} {name}"
    return f"about {seconds:.0f} s"


def _rate(rate: float) -> str:
    return f"{format_bytes(rate)}/s"


def measure_retention(server: Server, *, seconds: float = 10.0) -> Retention:
    """Measure twice, `seconds` apart (0.1 to 3600): what each slot keeps, the rate of WAL, and the limits.

    Needs pg_monitor or superuser. Source: pg_replication_slots, pg_ls_waldir(), df in the container. An
    absent server keeps nothing. Raises ParameterError, QueryFailed, ExecFailed.
    """
    if not 0.1 <= seconds <= 3600:
        raise ParameterError("a rate is measured over 0.1 to 3600 seconds", found=f"{seconds:g}")
    if not server.present:
        return Retention(server.name, 0.0, 0.0, 0, None, 0, 0, ())
    began = monotonic()
    before = server.query("observe/retention")
    _let_pass(seconds)
    after, took = server.query("observe/retention"), monotonic() - began
    return between(server.name, before, after, took, wal_space(server))


def between(name: str, before: Rows, after: Rows, seconds: float, space: Space | None) -> Retention:
    """Return the retention from two measurements, `seconds` apart."""
    now = after[0]
    earlier = {row["name"]: row["retained"] for row in before}
    return Retention(
        name,
        (now["position"] - before[0]["position"]) / seconds,
        seconds,
        now["wal_bytes"],
        now["cap"] if now["cap"] >= 0 else None,
        now["keep_size"],
        now["max_wal_size"],
        tuple(
            SlotRetention(
                row["name"],
                row["active"],
                row["wal_status"],
                row["retained"],
                row["safe_wal_size"],
                row["xmin_age"],
                ((row["retained"] or 0) - (earlier.get(row["name"]) or 0)) / seconds,
            )
            for row in after
            if row["name"] is not None
        ),
        space.free if space else None,
    )


def wal_space(server: Server) -> Space | None:
    """Return the volume that pg_wal lies on; None for an absent server."""
    if not server.present:
        return None
    return space_of(server, f"{server.facts.data_directory}/pg_wal")


def _let_pass(seconds: float) -> None:
    """Wait for the measured time, and show how much is left."""
    progress, pause, end = Progress("measuring the rate of WAL"), Event(), monotonic() + seconds
    while (left := end - monotonic()) > 0:
        if seconds > SHOWN_AFTER:
            progress.show(f"{format_duration(left)} left")
        pause.wait(min(1.0, left))
    progress.close()
