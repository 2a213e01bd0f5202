"""WAL positions: arithmetic of LSNs, a marker on the primary, and waiting until standbys have replayed it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic

from pgnb.core.display import Displayable, Table, format_bytes, format_duration
from pgnb.core.errors import ParameterError, WrongServer
from pgnb.core.wait import wait_until
from pgnb.postgres.server import Server

_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})\Z")
_LOOK_EVERY = 0.02


def lsn_bytes(lsn: str) -> int:
    """Return the LSN (as `16/B374D848`) as a number of bytes. Raises ParameterError for another text."""
    match = _LSN.match(lsn)
    if match is None:
        raise ParameterError(f"not an LSN: {lsn!r}", remedy="An LSN looks like 16/B374D848.")
    return int(match[1], 16) << 32 | int(match[2], 16)


def lsn_text(position: int) -> str:
    """Return a number of bytes as an LSN."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def lsn_diff(later: str, earlier: str) -> int:
    """Return the bytes of WAL from `earlier` to `later`; negative if `later` is before `earlier`."""
    return lsn_bytes(later) - lsn_bytes(earlier)


@dataclass(frozen=True)
class Replay:
    """A standby's position. LSNs are None before the first record; `receiver` is None if none runs.

    Source: pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(), pg_get_wal_replay_pause_state(),
    pg_stat_wal_receiver.status (also None for a login without pg_read_all_stats, which cannot see it).
    """

    in_recovery: bool
    received: str | None
    replayed: str | None
    pause_state: str | None
    receiver: str | None

    def reached(self, lsn: str) -> bool:
        """Return whether everything before `lsn` is visible there."""
        return self.replayed is not None and lsn_bytes(self.replayed) >= lsn_bytes(lsn)

    def describe(self, lsn: str) -> str:
        """Return its distance to `lsn`, and what delays it."""
        if self.replayed is None:
            left = "nothing replayed yet"
        else:
            left = f"replayed {self.replayed}, {format_bytes(max(0, lsn_diff(lsn, self.replayed)))} left"
        paused = "" if self.pause_state in (None, "not paused") else f", replay {self.pause_state}"
        receiver = f"receiver {self.receiver or 'not seen'}"
        return f"{left}, received {self.received or 'nothing'}, {receiver}{paused}"


def marker(primary: Server) -> str:
    """Return the LSN after everything that is committed on the primary now, flushed for standbys.

    It writes one small WAL record that changes no table; a plan-only run writes none and returns the flushed
    position. "" for an absent server. Raises WrongServer on a standby.
    """
    if not primary.present:
        return ""
    lsn = primary.scalar("marker_read_only" if primary.journal.dry_run else "marker")
    if lsn is None:
        raise WrongServer(
            f"{primary.name} is a standby; a marker is taken on the primary",
            found="pg_is_in_recovery() is true",
            remedy="Set the primary; after a promotion call refresh() to read the role again.",
        )
    return str(lsn)


def replay_progress(standby: Server) -> Replay:
    """Return a standby's position; one round trip."""
    row = standby.fetch_one("replay_progress")
    return Replay(**row) if row else Replay(False, None, None, None, None)


def wait_replayed(standby: Server, lsn: str, timeout: float = 60.0) -> float:
    """Wait until a standby has replayed everything before `lsn`; return the seconds that it took.

    `timeout` is in seconds. A plan-only run doesn't wait for an absent standby. Raises DeadlineExceeded with
    the standby's position and what delays it, and WrongServer if it is not a standby.
    """
    lsn_bytes(lsn)
    started = monotonic()
    if standby.present:
        wait_until(
            f"{standby.name} to replay {lsn}",
            lambda: _progress(standby),
            lambda state: state.reached(lsn),
            timeout=timeout,
            every=_LOOK_EVERY,
            describe=lambda state: state.describe(lsn),
            remedy="If no receiver is seen: check the standby's log and the slot. If replay is"
            " paused: pg_wal_replay_resume(), and compare the five settings. Otherwise"
            " it is only slow.",
        )
    return monotonic() - started


def _progress(standby: Server) -> Replay:
    state = replay_progress(standby)
    if not state.in_recovery:
        raise WrongServer(
            f"{standby.name} is not in recovery, so it will never replay the primary's WAL",
            found="a primary: promoted, or never a standby",
            remedy="Check the selector; a promoted standby needs pg_rewind or a new base backup.",
        )
    return state


@dataclass(frozen=True, repr=False)
class Arrival(Displayable):
    """When each standby had replayed `lsn`, in seconds after the marker was written."""

    lsn: str
    seconds: tuple[tuple[str, float], ...]

    @property
    def table(self) -> Table:
        """One standby a line."""
        rows = [(name, self.lsn, format_duration(seconds)) for name, seconds in self.seconds]
        note = "" if rows else "No standby to wait for."
        return Table.of(
            ("standby", "has replayed", "after"), rows, title="The marker was replayed", note=note
        )


def wait_for_marker(primary: Server, standbys: Sequence[Server], *, timeout: float = 60.0) -> Arrival:
    """Write a marker on the primary, and wait in parallel until every standby has replayed it.

    `timeout` in seconds. Raises DeadlineExceeded with the position and state of the standby.
    """
    there = [standby for standby in standbys if primary.present and standby.present]
    if not there:
        return Arrival("", ())
    lsn = marker(primary)
    with ThreadPoolExecutor(len(there), thread_name_prefix="pgnb-marker") as pool:
        seconds = list(pool.map(lambda standby: wait_replayed(standby, lsn, timeout), there))
    return Arrival(lsn, tuple((server.name, took) for server, took in zip(there, seconds, strict=True)))
