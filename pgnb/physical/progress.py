"""Show the progress of a base backup, from the primary's pg_stat_progress_basebackup."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from time import monotonic

from pgnb.core.display import format_bytes, format_duration
from pgnb.core.errors import PgnbError
from pgnb.core.wait import Progress
from pgnb.postgres import Server

_COPIED = re.compile(r"(\d+)/\d+ kB \(")


@dataclass
class BackupProgress:
    """One line with bytes, percent, speed and remaining time; `done` counts the streamed bytes.

    `resumed`: another run began it, so the speed is measured from now on.
    """

    primary: Server
    application_name: str
    resumed: bool = False
    done: int = 0
    before: int | None = None
    started: float = field(default_factory=monotonic)
    _line: Progress = field(default_factory=lambda: Progress("base backup"))

    def look(self, text: str) -> None:
        """Read the progress and rewrite the line; called with each line of pg_basebackup.

        The number in that line counts at the end, when the server no longer has a row of the backup.
        """
        if match := _COPIED.search(text):
            self._seen(int(match[1]) * 1024)
        try:
            rows = self.primary.query("physical/backups")
        except PgnbError:
            return  # This is only a display; the backup's exit status decides.
        mine = [row for row in rows if row["application_name"] == self.application_name]
        if mine:
            self._seen(mine[0]["backup_streamed"] or 0)
            self._line.show(words(self.done, mine[0]["backup_total"], self._rate, mine[0]["phase"]))

    def _seen(self, streamed: int) -> None:
        self.done = max(self.done, streamed)
        if self.before is None:
            self.before = self.done if self.resumed else 0

    @property
    def _rate(self) -> float:
        """Bytes per second since this run began to read."""
        taken = monotonic() - self.started
        return (self.done - (self.before or 0)) / taken if taken else 0.0

    def close(self) -> str:
        """End the line, and return bytes, time and speed."""
        taken = monotonic() - self.started
        self._line.close("copied and verified")
        if self.resumed:
            more = format_duration(taken)
            return f"{format_bytes(self.done)}, begun by an earlier run, done after {more} more"
        rate = f", {format_bytes(self._rate)}/s" if self.done and taken else ""
        return (
            f"{format_bytes(self.done)} in {format_duration(taken)}{rate}"
            if self.done
            else format_duration(taken)
        )


def words(done: int, total: int | None, rate: float, phase: str) -> str:
    """Format `12.0 MB of 48.0 MB (25 %), 6.0 MB/s, 6.0 s left`; only the phase before the first byte."""
    if not done or not rate:
        return phase
    if not total:
        return f"{format_bytes(done)}, {format_bytes(rate)}/s ({phase})"
    left = format_duration(max(total - done, 0) / rate)
    share = min(100 * done / total, 100)
    return (
        f"{format_bytes(done)} of {format_bytes(total)} ({share:.0f} %), {format_bytes(rate)}/s, {left} left"
    )
