"""A marker's arrival: what was committed before it is on a standby when the standby has replayed it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pgnb.core.display import Displayable, Table, format_duration
from pgnb.postgres import Server
from pgnb.postgres.progress import marker, wait_replayed


@dataclass(frozen=True, repr=False)
class Arrival(Displayable):
    """When each standby had replayed `lsn`, in seconds after the marker was taken on the primary."""

    lsn: str
    seconds: tuple[tuple[str, float], ...]

    @property
    def table(self) -> Table:
        """One standby a line."""
        rows = [(name, self.lsn, format_duration(seconds)) for name, seconds in self.seconds]
        note = "" if rows else "No standby to wait for."
        return Table.of(("standby", "has replayed", "after"), rows, title="The marker arrived", note=note)


def wait_for_marker(primary: Server, standbys: Sequence[Server], *, timeout: float = 60.0) -> Arrival:
    """Take a marker on the primary, and wait until every standby has replayed it, all at the same time.

    `timeout` in seconds. Raises DeadlineExceeded with how far the standby was and what it was doing.
    """
    there = [standby for standby in standbys if primary.present and standby.present]
    if not there:
        return Arrival("", ())
    lsn = marker(primary)
    with ThreadPoolExecutor(len(there), thread_name_prefix="pgnb-marker") as pool:
        seconds = list(pool.map(lambda standby: wait_replayed(standby, lsn, timeout), there))
    return Arrival(lsn, tuple((server.name, took) for server, took in zip(there, seconds, strict=True)))
