"""A stopped old primary's data: the end of its WAL, and where the new primary's history left it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pgnb.cluster import Helper
from pgnb.core.display import format_bytes
from pgnb.physical import scripts
from pgnb.physical.timelines import Fork, History, fork, history_name, segment_start
from pgnb.postgres.progress import lsn_bytes, lsn_text

_READING = 1800.0
"""Seconds for pg_waldump, which reads about a gigabyte in ten."""


@dataclass(frozen=True)
class Control:
    """The result of control.sh: the control file, the history files, the WAL files and the slots."""

    found: Mapping[str, str]

    @property
    def clean(self) -> bool:
        """Whether it was shut down cleanly, as a primary or as a standby."""
        return self.state in ("shut down", "shut down in recovery")

    @property
    def in_recovery(self) -> bool:
        """Whether it was a standby when it stopped."""
        return self.state in ("in archive recovery", "shut down in recovery")

    @property
    def state(self) -> str:
        """The state in the control file."""
        return self.found["state"]

    @property
    def checkpoint(self) -> int:
        """The LSN of its last checkpoint's record in bytes; after a clean shutdown its last record."""
        return lsn_bytes(self.found["checkpoint"])

    @property
    def redo(self) -> str:
        """The LSN where its recovery begins."""
        return self.found["redo"]

    @property
    def timeline(self) -> int:
        """The newest timeline in its WAL."""
        return max(int(self.found["timeline"]), int(self.found.get("recovery_timeline") or 0))

    @property
    def history(self) -> History:
        """Its timeline with its ancestors."""
        name = history_name(self.timeline).removesuffix(".history")
        return History.of(self.timeline, self.found.get(f"history_{name}", "").replace(";", "\n"))

    @property
    def segment_size(self) -> int:
        """Bytes of a WAL segment."""
        return int(self.found["segment_size"])

    @property
    def slots(self) -> tuple[str, ...]:
        """The replication slots in its data directory."""
        return tuple(self.found.get("slots", "").split())

    @property
    def traceable(self) -> bool:
        """Whether pg_rewind can find all changed pages, by data checksums or wal_log_hints."""
        return self.found.get("checksums", "0") != "0" or self.found.get("wal_log_hints") == "on"

    @property
    def rewind_interrupted(self) -> bool:
        """Whether a pg_rewind was interrupted while it wrote."""
        return self.found.get("rewind_interrupted") == "yes"

    @property
    def full_pages(self) -> bool:
        """Whether full_page_writes was on at its last checkpoint."""
        return self.found.get("full_page_writes") == "on"

    def oldest_start(self, at: Fork) -> str:
        """Return the LSN from which its WAL on the fork's timeline has no gap; empty if there is none."""
        names = [n for n in self.found.get("segments", "").split() if int(n[:8], 16) == at.timeline]
        begun = {segment_start(name, self.segment_size) for name in names}
        oldest = (at.lsn or 0) // self.segment_size * self.segment_size
        if oldest not in begun:
            return ""
        while oldest - self.segment_size in begun:
            oldest -= self.segment_size
        return lsn_text(oldest)


@dataclass(frozen=True)
class Divergence:
    """What it wrote after the fork, counted in its WAL; `transactions` is None if that WAL can't be read.

    `size` is bytes of WAL; rows are those of user tables, including their TOAST rows.
    """

    timeline: int
    since: str
    size: int
    transactions: int | None
    first: str = ""
    last: str = ""
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def loses(self) -> bool:
        """Whether committed transactions would be lost, or may be."""
        return self.transactions != 0

    @property
    def summary(self) -> str:
        """What would be lost, in one sentence."""
        where = f"from {self.since} on timeline {self.timeline}"
        if self.transactions is None:
            return f"an unknown number of transactions {where}: that WAL cannot be read"
        if not self.transactions:
            return f"no transaction, {format_bytes(self.size)} of WAL {where}"
        rows = f"{self.inserted} rows inserted, {self.updated} updated, {self.deleted} deleted"
        when = f", committed from {self.first} to {self.last}" if self.first else ""
        return f"{self.transactions} transactions {where} ({rows}, {format_bytes(self.size)} of WAL{when})"


@dataclass(frozen=True)
class OldPrimaryData:
    """A stopped server's data, compared with the new primary's history.

    `end` is the LSN of its last record, None if its WAL can't be read. `common` is the redo position of the
    last checkpoint that both share, None if its WAL does not go back so far.
    """

    control: Control
    fork: Fork | None
    end: int | None
    common: int | None
    divergence: Divergence | None

    @property
    def diverged(self) -> bool:
        """Whether it has WAL records that the new primary lacks, or may have."""
        if self.fork is None or self.end is None:
            return True
        return self.fork.lsn is not None and self.end >= self.fork.lsn

    @property
    def summary(self) -> str:
        """Its state, the end of its WAL, and the fork."""
        end = f"its WAL ends at {lsn_text(self.end)}" if self.end is not None else "its WAL can't be read"
        if self.fork is None:
            return f"{self.control.state}; {end}; it shares no timeline with the new primary"
        parted = (
            f"left timeline {self.fork.timeline} at {lsn_text(self.fork.lsn)}"
            if self.fork.lsn
            else f"is also on timeline {self.fork.timeline}"
        )
        return f"{self.control.state}; {end}; the new primary {parted}"


def read_old_primary_data(helper: Helper, directory: str, bin_dir: str, history: History) -> OldPrimaryData:
    """Read a stopped server's data directory; `history` is the new primary's. Changes nothing."""
    control = read_control(helper, directory, bin_dir)
    at = fork(control.history, history)
    if at is None:
        return OldPrimaryData(control, None, None, None, None)
    limit = lsn_text(at.lsn if at.lsn is not None else control.checkpoint)
    places = (directory, bin_dir, str(control.timeline), control.redo, str(at.timeline), limit)
    argv = scripts.argv("wal", args=(*places, control.oldest_start(at)))
    wal = scripts.key_values(helper.exec(argv, timeout=_READING).text)
    end = _end(control, wal)
    apart = at.lsn is not None and (end is None or end >= at.lsn)
    return OldPrimaryData(
        control, at, end, _common(control, at, wal), _divergence(control, at, wal) if apart else None
    )


def read_control(helper: Helper, directory: str, bin_dir: str) -> Control:
    """Read the control file, and names of WAL files and slots. Raises ExecFailed without a data directory."""
    text = helper.exec(scripts.argv("control", args=(directory, bin_dir))).text
    return Control(scripts.key_values(text))


def _end(control: Control, wal: Mapping[str, str]) -> int | None:
    if control.state == "shut down":
        return control.checkpoint
    return lsn_bytes(wal["last"]) if "last" in wal else None


def _common(control: Control, at: Fork, wal: Mapping[str, str]) -> int | None:
    """Return the redo position of the last checkpoint before the fork."""
    if at.lsn is None or control.checkpoint < at.lsn:
        return lsn_bytes(control.redo)
    return lsn_bytes(wal["common"]) if "common" in wal else None


def _divergence(control: Control, at: Fork, wal: Mapping[str, str]) -> Divergence:
    assert at.lsn is not None
    last = lsn_bytes(wal["last"]) if "last" in wal else control.checkpoint
    size, since = max(0, last - at.lsn), lsn_text(at.lsn)
    if not int(wal.get("records") or 0):
        return Divergence(control.timeline, since, size, None)
    counts = _numbers(wal, ("inserted", "updated", "deleted"))
    commits = int(wal["commits"])
    return Divergence(control.timeline, since, size, commits, wal["first"], wal["final"], *counts)


def _numbers(wal: Mapping[str, str], names: Sequence[str]) -> tuple[int, ...]:
    return tuple(int(wal.get(name) or 0) for name in names)
