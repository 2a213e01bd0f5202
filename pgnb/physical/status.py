"""The state of replication, as the primary and the standbys show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pgnb.core.display import Cell, Displayable, Table, format_bytes, format_duration, key_value_table
from pgnb.postgres import Server
from pgnb.postgres.conninfo import shown

STREAMING = "streaming"


@dataclass(frozen=True)
class Sender:
    """One row of pg_stat_replication: how far one receiver is behind.

    `…_bytes` are WAL bytes between the server's position and what was sent, written, flushed, replayed;
    `…_seconds` are write_lag, flush_lag, replay_lag: None if nothing was written recently, or if not
    visible.
    """

    pid: int
    role: str | None
    application_name: str | None
    address: str | None
    port: int | None
    state: str | None
    sync_state: str | None
    slot: str | None
    since: datetime | None
    current_lsn: str | None
    sent_lsn: str | None
    replay_lsn: str | None
    sent_bytes: int | None
    write_bytes: int | None
    flush_bytes: int | None
    replay_bytes: int | None
    write_seconds: float | None
    flush_seconds: float | None
    replay_seconds: float | None
    reply_time: datetime | None

    @property
    def streaming(self) -> bool:
        """Whether it has caught up and streams."""
        return self.state == STREAMING


@dataclass(frozen=True)
class Receiver:
    """One standby's own view (pg_stat_wal_receiver and the recovery functions).

    `status`, `slot`, `sender_host` and `conninfo` are None while no receiver runs. `unreplayed_bytes` is
    received but not yet replayed WAL; 0 says nothing about lag if no receiver runs.
    """

    in_recovery: bool
    received_lsn: str | None
    replayed_lsn: str | None
    unreplayed_bytes: int | None
    last_commit_replayed: datetime | None
    pause_state: str | None
    hot_standby: str
    receiver_pid: int | None
    status: str | None
    timeline: int | None
    slot: str | None
    sender_host: str | None
    sender_port: int | None
    conninfo: str | None = field(repr=False)
    last_message: datetime | None
    latest_end_lsn: str | None

    @property
    def streaming(self) -> bool:
        """Whether a receiver runs and streams."""
        return self.status == STREAMING

    @property
    def paused(self) -> bool:
        """Whether replay is paused, or about to be."""
        return self.pause_state not in (None, "not paused")


@dataclass(frozen=True)
class ReplicationStatus:
    """The primary's walsenders, and the views of the given standbys."""

    senders: tuple[Sender, ...]
    receivers: tuple[tuple[str, Receiver], ...] = ()
    title: str = "Replication"

    def __iter__(self) -> Iterator[Sender]:
        return iter(self.senders)

    def find(self, application_name: str) -> Sender | None:
        """Return the walsender with that application_name; None if there is none."""
        return next((s for s in self.senders if s.application_name == application_name), None)

    @property
    def table(self) -> Table:
        """One line for each receiver: state, slot, and lag, with the unit in the column's name."""
        columns = (
            "application_name",
            "address",
            "state",
            "sync",
            "slot",
            "sent behind (bytes)",
            "write behind (bytes)",
            "flush behind (bytes)",
            "replay behind (bytes)",
            "write lag (time)",
            "flush lag (time)",
            "replay lag (time)",
        )
        note = (
            "An empty time means that nothing was written recently, not that there is lag."
            if self.senders
            else ""
        )
        return Table.of(
            columns,
            (_sender_row(s) for s in self.senders),
            title=self.title,
            note=note or "No server receives WAL from this one.",
        )

    def _repr_html_(self) -> str:
        return self.table._repr_html_() + "".join(
            _receiver_table(name, receiver)._repr_html_() for name, receiver in self.receivers
        )

    def __str__(self) -> str:
        tables = [self.table, *(_receiver_table(name, receiver) for name, receiver in self.receivers)]
        return "\n\n".join(str(table) for table in tables)

    __repr__ = __str__


def _sender_row(s: Sender) -> tuple[object, ...]:
    state = Cell(s.state or "not visible", "good" if s.streaming else "warn")
    sizes = (s.sent_bytes, s.write_bytes, s.flush_bytes, s.replay_bytes)
    times = (s.write_seconds, s.flush_seconds, s.replay_seconds)
    slot = s.slot or Cell("none", "warn")
    who = (s.application_name, s.address or "local socket", state, s.sync_state, slot)
    return (*who, *(format_bytes(size) for size in sizes), *(format_duration(taken) for taken in times))


@dataclass(frozen=True, repr=False)
class StandbyStatus(Displayable):
    """One standby's own view."""

    name: str
    receiver: Receiver | None

    @property
    def table(self) -> Table:
        """Receiver, positions, replay state and upstream; the connection without its password."""
        if self.receiver is None:
            return key_value_table(self.name, {"state": "does not exist yet"})
        return _receiver_table(self.name, self.receiver)


def _receiver_table(name: str, r: Receiver) -> Table:
    upstream = f"{r.sender_host}:{r.sender_port}" if r.sender_host else "none"
    facts = {
        "in recovery": r.in_recovery,
        "receiver": Cell(r.status or "not running", "good" if r.streaming else "bad"),
        "upstream": upstream,
        "slot": r.slot,
        "timeline": str(r.timeline) if r.timeline else None,
        "received": r.received_lsn,
        "replayed": r.replayed_lsn,
        "received, not replayed": format_bytes(r.unreplayed_bytes),
        "last commit replayed": r.last_commit_replayed,
        "replay": Cell(r.pause_state or "–", "warn" if r.paused else ""),
        "last message from upstream": r.last_message,
        "connection": shown(r.conninfo or ""),
    }
    return key_value_table(f"Standby {name}", facts)


def replication_status(primary: Server, standbys: Sequence[Server] = ()) -> ReplicationStatus:
    """Read who receives WAL from the primary, and the lag in bytes and seconds (pg_stat_replication).

    With `standbys`, their own views are added; those that do not exist yet are left out.
    """
    return ReplicationStatus(
        senders(primary),
        tuple((s.name, found) for s in standbys if (found := receiver(s)) is not None),
        f"Replication as seen by {primary.name}",
    )


def standby_status(standby: Server) -> StandbyStatus:
    """Read a standby's own view; "does not exist yet" for an absent one."""
    return StandbyStatus(standby.name, receiver(standby))


def senders(primary: Server) -> tuple[Sender, ...]:
    """Read the rows of pg_stat_replication; none from a server that does not exist yet."""
    return tuple(Sender(**row) for row in primary.query("physical/senders"))


def receiver(standby: Server) -> Receiver | None:
    """Read a standby's own view; None for one that does not exist yet."""
    row = standby.fetch_one("physical/receiver")
    return Receiver(**row) if row else None
