"""A recording: measured values of each server over time, as numbers that can be stored and compared.

Each column belongs to a subject (the primary or a standby) and a measure, and has a value, or None, for each
point of time. Yes and no are 1 and 0; a counter is what the server had counted since its statistics began.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Literal

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Displayable, Table, format_bytes, format_duration, format_value
from pgnb.core.journal import Journal
from pgnb.observe.lag import percentile
from pgnb.observe.limits import Limits

Kind = Literal["bytes", "seconds", "bytes/s", "/s", "yes", "count", "counted seconds"]
Values = tuple[float | None, ...]

MEASURES: Mapping[str, tuple[str, Kind]] = {
    "wal_rate": ("WAL written", "bytes/s"),
    "commit_rate": ("transactions committed", "/s"),
    "connected": ("connected to the primary", "yes"),
    "receiving": ("WAL receiver streams", "yes"),
    "replaying": ("replay not paused", "yes"),
    "slot_safe": ("slot keeps what it needs", "yes"),
    "behind": ("not replayed, by both sides", "bytes"),
    "age": ("age of the standby's state", "seconds"),
    "sent": ("not sent yet", "bytes"),
    "write": ("not written there", "bytes"),
    "flush": ("not on disk there", "bytes"),
    "replay": ("not visible there", "bytes"),
    "write_seconds": ("write_lag", "seconds"),
    "flush_seconds": ("flush_lag", "seconds"),
    "replay_seconds": ("replay_lag", "seconds"),
    "replay_rate": ("WAL replayed", "bytes/s"),
    "retained": ("kept by the slot", "bytes"),
    "full_page_images": ("full-page images", "count"),
    "checkpoints_timed": ("checkpoints by time", "count"),
    "checkpoints_requested": ("checkpoints by WAL or on request", "count"),
    "checkpoint_write": ("writing of checkpoints", "counted seconds"),
    "checkpoint_sync": ("syncing of checkpoints", "counted seconds"),
    "archive_failures": ("failed archivings", "count"),
    "conflicts": ("queries cancelled by recovery", "count"),
    "conflicts_lock": ("cancelled: lock", "count"),
    "conflicts_snapshot": ("cancelled: snapshot", "count"),
    "conflicts_bufferpin": ("cancelled: buffer pin", "count"),
    "conflicts_deadlock": ("cancelled: deadlock", "count"),
}
"""Each measure with its description and its kind, in a reader's order."""


@dataclass(frozen=True, repr=False)
class Recording(Displayable):
    """What was measured at `times` (seconds after `began`, one every `interval` seconds).

    `primary` is the primary's subject; `settings` are those of its settings that recommendations need;
    `troubles` the errors of the servers; `path` where the recording is stored, if it is.
    """

    began: datetime | None
    interval: float
    times: tuple[float, ...]
    columns: Mapping[tuple[str, str], Values]
    primary: str = ""
    settings: Mapping[str, float | None] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()
    path: str = ""

    @property
    def standbys(self) -> tuple[str, ...]:
        """The names of the standbys that were seen."""
        subjects = (subject for subject, _ in self.columns)
        return tuple(name for name in dict.fromkeys(subjects) if name != self.primary)

    @property
    def seconds(self) -> float:
        """How long it lasted, in seconds."""
        return self.times[-1] if self.times else 0.0

    def values(self, subject: str, measure: str) -> Values:
        """Return a column; only None if there is none."""
        return self.columns.get((subject, measure), (None,) * len(self.times))

    def known(self, subject: str, measure: str) -> list[float]:
        """Return a column's values without None."""
        return [value for value in self.values(subject, measure) if value is not None]

    def counted(self, subject: str, measure: str) -> float:
        """Return how much a counter grew, also if the server's statistics began again at 0 meanwhile."""
        return sum(
            later - max(0.0, earlier) if later >= earlier else later
            for earlier, later in pairwise(self.known(subject, measure))
        )

    def share(self, subject: str, measure: str) -> float | None:
        """Return the share of the time (0 to 1) in which a yes-or-no measure was yes."""
        known = self.known(subject, measure)
        return sum(known) / len(known) if known else None

    def at_least(self, subject: str, measure: str, share: float) -> float | None:
        """Return the value that `share` (0 to 1) of the known ones do not exceed; 1 is the maximum."""
        known = self.known(subject, measure)
        return percentile(known, share) if known else None

    @property
    def lag(self) -> dict[str, dict[str, object]]:
        """The most that each standby was behind over the time sampled; None where it was not seen."""
        return {
            name: {
                "bytes": self.at_least(name, "behind", 1),
                "seconds": self.at_least(name, "age", 1),
                "connected": self.share(name, "connected") == 1,
            }
            for name in self.standbys
        }

    @property
    def finding(self) -> str:
        """The finding, one sentence for the primary and one for each standby."""
        if not self.times:
            return "Nothing was sampled"
        mean = _mean(self.known(self.primary, "wal_rate"))
        wrote = f"The primary wrote {format_bytes(mean)} of WAL a second" if mean is not None else ""
        wrote = wrote or "The primary was not seen"
        standbys = [f"{name}: {_words(self, name)}" for name in self.standbys]
        return "\n".join([wrote, *(standbys or ["No standby: neither connected nor with a slot"])])

    def checks(self, limits: Limits, journal: Journal) -> Checks:
        """Check the recording against the limits, each standby by itself."""
        items = [check for name in self.standbys for check in _checks(self, name, limits)]
        seen = Check(
            "a standby was seen",
            bool(items),
            len(self.standbys),
            "1 or more",
            "No walsender and no physical slot: see sections 2.3 and 3.",
        )
        return Checks.of("Replication over the time sampled", [seen, *items], journal)

    @property
    def table(self) -> Table:
        """Minimum, median, 95th percentile, maximum and last value of each measure; growth of counters."""
        rows = [
            (subject, MEASURES[measure][0], *_spelled(self, subject, measure))
            for subject, measure in self.ordered()
        ]
        columns = ("server", "measure", "min", "median", "p95", "max", "last")
        lines = [f"{len(self.times)} samples, one every {format_duration(self.interval)}."]
        lines += [f"Stored as {self.path}."] if self.path else []
        return Table.of(columns, rows, title="Sampled", note="\n".join([*lines, *self.troubles]))

    def ordered(self) -> Iterator[tuple[str, str]]:
        """Yield the columns in a reader's order, without those without values."""
        for subject in (self.primary, *self.standbys):
            for measure, (_, kind) in MEASURES.items():
                counter = kind in ("count", "counted seconds")
                if self.known(subject, measure) and (not counter or self.counted(subject, measure)):
                    yield subject, measure


def spelled(value: float | None, kind: Kind) -> str:
    """Return a value in the unit of its kind."""
    if value is None:
        return "–"
    words = {
        "bytes": format_bytes(value),
        "bytes/s": f"{format_bytes(value)}/s",
        "seconds": format_duration(value),
        "counted seconds": format_duration(value),
        "yes": f"{value:.0%}",
    }
    number = format_value(round(value) if abs(value) >= 10 else value)
    return words.get(kind) or (f"{number}/s" if kind == "/s" else number)


def _spelled(recording: Recording, subject: str, measure: str) -> tuple[object, ...]:
    kind, known = MEASURES[measure][1], recording.known(subject, measure)
    nothing = Cell("", "dim")
    if kind in ("count", "counted seconds"):
        grown = f"+{spelled(recording.counted(subject, measure), kind)}"
        return (nothing, nothing, nothing, nothing, grown)
    if kind == "yes":
        share = recording.share(subject, measure) or 0.0
        last = "yes" if known[-1] else Cell("no", "bad")
        always = Cell("always" if share == 1 else f"{share:.0%} of the time", "good" if share == 1 else "bad")
        return (always, nothing, nothing, nothing, last)
    middle = [spelled(recording.at_least(subject, measure, share), kind) for share in (0.5, 0.95)]
    last_value = recording.values(subject, measure)[-1]
    return (spelled(min(known), kind), *middle, spelled(max(known), kind), spelled(last_value, kind))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _words(recording: Recording, name: str) -> str:
    connected = recording.share(name, "connected")
    if not connected:
        return "never connected"
    most, oldest = (recording.at_least(name, measure, 1) for measure in ("behind", "age"))
    words = f"at most {format_bytes(most)} and {format_duration(oldest)} behind"
    gone = (1 - connected) * recording.seconds
    return f"{words}, not connected for {format_duration(gone)}" if gone else f"{words}, always connected"


def _checks(recording: Recording, name: str, limits: Limits) -> Iterator[Check]:
    for measure, remedy in _MUST.items():
        share = recording.share(name, measure)
        if share is not None:
            found = "always" if share == 1 else f"{share:.0%} of the time"
            yield Check(f"{name}: {MEASURES[measure][0]}", share == 1, found, "always", remedy)
    for measure, limit, remedy in (
        ("behind", limits.lag_bytes, _BEHIND),
        ("age", limits.lag_seconds, _BEHIND),
        ("retained", limits.retained_bytes, _RETAINED),
    ):
        label, kind = MEASURES[measure]
        most = recording.at_least(name, measure, 1)
        if most is not None:
            wanted = f"at most {spelled(limit, kind)}"
            yield Check(f"{name}: {label}", most <= limit, spelled(most, kind), wanted, remedy)


_BEHIND = "The recommendations below name the stage; 08_troubleshooting finds the cause."
_RETAINED = "See 07_replication_slots: the slot's cap and the time until the disk is full."
_MUST = {
    "connected": "Check the standby's log and its receiver: 08_troubleshooting.",
    "receiving": "Its WAL receiver is not running or still connecting: 08_troubleshooting.",
    "replaying": "Replay is paused: find out why, then SELECT pg_wal_replay_resume().",
    "slot_safe": "WAL that it needs will soon be removed, or is removed: 07_replication_slots.",
}
