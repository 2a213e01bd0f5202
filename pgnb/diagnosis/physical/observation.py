"""Evidence of a diagnosis: what was read of each pod, each server, and the connections between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pgnb.cluster import LogLine, Pod
from pgnb.cluster.role_change_mark import Interrupted
from pgnb.core.display import Cell, Displayable, Table, format_bytes
from pgnb.diagnosis.physical.log_messages import warnings_of, with_timestamp
from pgnb.physical import Receiver, Sender, Slot
from pgnb.physical.connectivity import ProbeResult
from pgnb.postgres import Facts, HbaRules, Server
from pgnb.postgres.disk import Space
from pgnb.postgres.progress import lsn_bytes

Part = Literal["primary", "standby"]
_SHOWN_LINES = 8


@dataclass(frozen=True)
class ExpectedReplication:
    """What is expected of the pair.

    `slot` and `application_name` apply to a single standby; with several standbys, or where they are empty,
    each standby's own configuration is what is expected. `min_free`: the least free share of the disk, in
    percent.
    """

    slot: str = ""
    application_name: str = ""
    role: str = ""
    secret: str = ""
    min_free: float = 10.0


@dataclass(frozen=True)
class Condition:
    """A server's replication settings, its oldest WAL, and what waits for a restart.

    `receiver_silent`: seconds since the receiver's last message; `oldest_wal`: a position in bytes.
    """

    settings: Mapping[str, str]
    oldest_wal: int | None
    receiver_silent: float | None
    pending: tuple[str, ...]

    @property
    def slot(self) -> str:
        """primary_slot_name."""
        return self.settings.get("primary_slot_name") or ""


@dataclass(frozen=True)
class ConnectivityTest:
    """A standby's own connection to its primary, tested; `proofs` by name (name, port, session)."""

    host: str
    port: str
    role: str
    proofs: Mapping[str, ProbeResult]

    def failed(self, name: str) -> ProbeResult | None:
        """Return the proof of that name if it ran and failed (127: the image has no such program)."""
        proof = self.proofs.get(name)
        return proof if proof is not None and proof.status not in (0, 127) else None

    @property
    def identity(self) -> str:
        """The system identifier of the server that answered; empty if none did."""
        proof = self.proofs.get("session")
        return proof.summary.partition("|")[0].strip() if proof is not None and proof.status == 0 else ""


@dataclass(frozen=True)
class RoleObservation:
    """The replication role on the primary. `fits`: whether its verifier matches the Secret's password."""

    name: str
    missing: tuple[str, ...]
    fits: bool | None
    secret: str


@dataclass(frozen=True)
class ServerObservation:
    """One pod, and what could be read of its PostgreSQL server.

    `connect_error` says why there is no session; `read_errors` what could not be read. `broken_settings` and
    `broken_rules` are lines that the server would not accept, as FILE:LINE: text. `conninfo_sources` maps a
    place (FILE:LINE) to the application_name that primary_conninfo has there; the last one is in force.
    """

    part: Part
    pod: Pod = field(repr=False)
    events: tuple[str, ...] = ()
    log: tuple[LogLine, ...] = field(default=(), repr=False)
    server: Server | None = field(default=None, repr=False, compare=False)
    connect_error: str = ""
    read_errors: tuple[str, ...] = ()
    facts: Facts = field(default_factory=Facts)
    condition: Condition | None = None
    receiver: Receiver | None = None
    senders: tuple[Sender, ...] = ()
    slots: tuple[Slot, ...] = ()
    five: Mapping[str, int] = field(default_factory=dict)
    senders_free: int | None = None
    broken_settings: tuple[str, ...] = ()
    broken_rules: tuple[str, ...] = ()
    conninfo_sources: tuple[tuple[str, str], ...] = ()
    disk: Space | None = None
    connectivity: ConnectivityTest | None = None
    hba: HbaRules | None = None

    @property
    def name(self) -> str:
        """The pod, as all texts name it."""
        return f"pod/{self.pod.name}"

    @property
    def reachable(self) -> bool:
        """Whether the server answers SQL."""
        return self.server is not None

    @property
    def streaming(self) -> bool:
        """Whether its own receiver reports that it streams."""
        return self.receiver is not None and self.receiver.streaming

    @property
    def received(self) -> int:
        """The position up to which it has WAL, in bytes; 0 if unknown."""
        if self.receiver is None:
            return 0
        known = (self.receiver.received_lsn, self.receiver.replayed_lsn)
        return max((lsn_bytes(lsn) for lsn in known if lsn), default=0)

    def blocked_by(self, sender: Sender) -> bool:
        """Return whether its log says that this walsender holds its slot."""
        return any(f"is active for PID {sender.pid}" in line.text for line in self.log)

    def slot(self, name: str) -> Slot | None:
        """Return the slot of that name on this server."""
        return next((slot for slot in self.slots if slot.name == name), None)

    @property
    def row(self) -> tuple[object, ...]:
        """The server as a row: state, role, history, receiver, disk, and warnings in its log."""
        state = Cell("Ready", "good") if self.pod.ready else Cell(self.pod.not_ready_reason, "bad")
        role = self.facts.role if self.reachable else Cell("no session", "bad")
        receives = self.receiver.status if self.receiver else None
        free = f"{format_bytes(self.disk.free)} of {format_bytes(self.disk.size)}" if self.disk else None
        history = (
            f"{self.facts.system_identifier}, timeline {self.facts.timeline}" if self.reachable else None
        )
        complaints = len(warnings_of(self.log))
        return (self.name, self.part, state, role, history, receives, len(self.senders), free, complaints)


@dataclass(frozen=True, repr=False)
class Evidence(Displayable):
    """Everything that a diagnosis is derived from; `missing` names what was looked for and not found."""

    place: str
    expected: ExpectedReplication
    observed: tuple[ServerObservation, ...]
    role: RoleObservation | None = None
    missing: tuple[tuple[Part, str], ...] = ()
    changes: tuple[Interrupted, ...] = ()
    """Role changes that were begun and did not finish."""

    @property
    def primaries(self) -> tuple[ServerObservation, ...]:
        """The pods that the primary's selector matched."""
        return tuple(one for one in self.observed if one.part == "primary")

    @property
    def primary(self) -> ServerObservation | None:
        """The primary: the first that answers, else the first."""
        return next((one for one in self.primaries if one.reachable), next(iter(self.primaries), None))

    @property
    def standbys(self) -> tuple[ServerObservation, ...]:
        """The pods that the standbys' selector matched."""
        return tuple(one for one in self.observed if one.part == "standby")

    @property
    def servers(self) -> tuple[Server, ...]:
        """The servers that answer."""
        return tuple(one.server for one in self.observed if one.server is not None)

    def slot_of(self, standby: ServerObservation) -> str:
        """Return the slot that a standby should stream from."""
        own = standby.condition.slot if standby.condition else ""
        return (self.expected.slot if len(self.standbys) == 1 else "") or own

    def sender_to(self, standby: ServerObservation) -> Sender | None:
        """Return the walsender that feeds a standby, by its pod's address, or by its slot while it streams.

        The slot is used because addresses may be translated on the way. A walsender of another known pod is
        left out, and so is one that blocks this standby according to its log.
        """
        every = [sender for one in self.observed if one is not standby for sender in one.senders]
        here = [s for s in every if s.address == standby.pod.ip]
        if here or (standby.receiver is not None and not standby.streaming):
            return next(iter(here), None)
        addresses = {one.pod.ip for one in self.observed}
        slot = standby.condition.slot if standby.condition else ""
        by_slot = [s for s in every if slot and s.slot == slot and s.address not in addresses]
        return next((s for s in by_slot if not standby.blocked_by(s)), None)

    @property
    def table(self) -> Table:
        """One server a row."""
        columns = (
            "pod",
            "expected as",
            "state",
            "is",
            "system identifier",
            "receiver",
            "sends to",
            "disk free",
            "warnings and errors in log",
        )
        rows = [one.row for one in self.observed]
        rows += [(f"no pod of {selector}", part, *[None] * 7) for part, selector in self.missing]
        return Table.of(columns, rows, title=f"Evidence from {self.place}", note=self._note())

    def _note(self) -> str:
        return "\n".join(f"{one.name}: {words}" for one in self.observed for words in one.read_errors)

    @property
    def log(self) -> Table:
        """The last warnings and errors of each server's log, and the warnings among its pod's events."""
        rows = [
            (one.name, words)
            for one in self.observed
            for words in (
                *one.events[-_SHOWN_LINES:],
                *map(with_timestamp, warnings_of(one.log)[-_SHOWN_LINES:]),
            )
        ]
        note = "" if rows else "No warnings or errors."
        return Table.of(("pod", "message"), rows, title="Warnings in logs and events", note=note)
