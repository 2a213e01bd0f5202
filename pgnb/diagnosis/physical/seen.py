"""The evidence of a diagnosis: what was seen of each pod, each server, and the way between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pgnb.cluster import LogLine, Pod
from pgnb.cluster.rolechange import Interrupted
from pgnb.core.display import Cell, Displayable, Table, format_bytes
from pgnb.diagnosis.physical.log_messages import grave, stamped
from pgnb.physical import Receiver, Sender, Slot
from pgnb.physical.proof import Proof
from pgnb.postgres import Facts, HbaRules, Server
from pgnb.postgres.disk import Space
from pgnb.postgres.progress import lsn_bytes

Part = Literal["primary", "standby"]
_SHOWN_LINES = 8


@dataclass(frozen=True)
class Wish:
    """What is expected of the pair. `slot` and `application_name` are held against a single standby; of
    several, or where they are empty, each one's own configuration is the wish.

    `min_free` is the least share of the disk, in percent, that should be free.
    """

    slot: str = ""
    application_name: str = ""
    role: str = ""
    secret: str = ""
    min_free: float = 10.0


@dataclass(frozen=True)
class Condition:
    """A server's settings of replication, its oldest WAL, and what waits for a restart.

    `receiver_silent` is in seconds, since the receiver's last message; `oldest_wal` a position in bytes.
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
class Reach:
    """The standby's own connection to its primary, tried out: proofs by name (name, port, session)."""

    host: str
    port: str
    role: str
    proofs: Mapping[str, Proof]

    def failed(self, name: str) -> Proof | None:
        """The proof of that name, when it was carried out and failed (127: the image has no such program)."""
        proof = self.proofs.get(name)
        return proof if proof is not None and proof.status not in (0, 127) else None

    @property
    def identity(self) -> str:
        """The system identifier of the server that answered; empty when none did."""
        proof = self.proofs.get("session")
        return proof.summary.partition("|")[0].strip() if proof is not None and proof.status == 0 else ""


@dataclass(frozen=True)
class RoleSeen:
    """The role that replicates, as the primary knows it. `fits`: whether its verifier is the Secret's."""

    name: str
    missing: tuple[str, ...]
    fits: bool | None
    secret: str


@dataclass(frozen=True)
class ServerSeen:
    """One pod, and the PostgreSQL server in it as far as it could be asked.

    `refused` says why there is no session; `unanswered` what a login could not be told. Lines that a server
    would not understand stand in `broken_settings` and `broken_rules`, as FILE:LINE: words. `named` maps a
    place (FILE:LINE) to the application_name that primary_conninfo has there; the last one is in force.
    """

    part: Part
    pod: Pod = field(repr=False)
    events: tuple[str, ...] = ()
    log: tuple[LogLine, ...] = field(default=(), repr=False)
    server: Server | None = field(default=None, repr=False, compare=False)
    refused: str = ""
    unanswered: tuple[str, ...] = ()
    facts: Facts = field(default_factory=Facts)
    condition: Condition | None = None
    receiver: Receiver | None = None
    senders: tuple[Sender, ...] = ()
    slots: tuple[Slot, ...] = ()
    five: Mapping[str, int] = field(default_factory=dict)
    senders_free: int | None = None
    broken_settings: tuple[str, ...] = ()
    broken_rules: tuple[str, ...] = ()
    named: tuple[tuple[str, str], ...] = ()
    disk: Space | None = None
    reach: Reach | None = None
    hba: HbaRules | None = None

    @property
    def name(self) -> str:
        """The pod, as every text names it."""
        return f"pod/{self.pod.name}"

    @property
    def asked(self) -> bool:
        """Whether SQL was answered."""
        return self.server is not None

    @property
    def streaming(self) -> bool:
        """Whether its own receiver says that it streams."""
        return self.receiver is not None and self.receiver.streaming

    @property
    def received(self) -> int:
        """Up to where it has WAL, in bytes; 0 when unknown."""
        if self.receiver is None:
            return 0
        known = (self.receiver.received_lsn, self.receiver.replayed_lsn)
        return max((lsn_bytes(lsn) for lsn in known if lsn), default=0)

    def complains_of(self, sender: Sender) -> bool:
        """Whether its log says that this walsender has the slot that it wants itself."""
        return any(f"is active for PID {sender.pid}" in line.text for line in self.log)

    def slot(self, name: str) -> Slot | None:
        """The slot of that name on this server."""
        return next((slot for slot in self.slots if slot.name == name), None)

    @property
    def row(self) -> tuple[object, ...]:
        """The server in a table: state, role, history, receiver, disk, and how much its log complains."""
        state = Cell("Ready", "good") if self.pod.ready else Cell(self.pod.not_ready_reason, "bad")
        role = self.facts.role if self.asked else Cell("no session", "bad")
        receives = self.receiver.status if self.receiver else None
        free = f"{format_bytes(self.disk.free)} of {format_bytes(self.disk.size)}" if self.disk else None
        history = f"{self.facts.system_identifier}, timeline {self.facts.timeline}" if self.asked else None
        complaints = len(grave(self.log))
        return (self.name, self.part, state, role, history, receives, len(self.senders), free, complaints)


@dataclass(frozen=True, repr=False)
class Evidence(Displayable):
    """Everything that a diagnosis goes by; `missing` names what was looked for and is not there at all."""

    place: str
    wish: Wish
    seen: tuple[ServerSeen, ...]
    role: RoleSeen | None = None
    missing: tuple[tuple[Part, str], ...] = ()
    changes: tuple[Interrupted, ...] = ()
    """Changes of roles that were begun and did not end."""

    @property
    def primaries(self) -> tuple[ServerSeen, ...]:
        """What the primary's selector matched."""
        return tuple(one for one in self.seen if one.part == "primary")

    @property
    def primary(self) -> ServerSeen | None:
        """The primary: the one that can be asked, else the first."""
        return next((one for one in self.primaries if one.asked), next(iter(self.primaries), None))

    @property
    def standbys(self) -> tuple[ServerSeen, ...]:
        """What the standbys' selector matched."""
        return tuple(one for one in self.seen if one.part == "standby")

    @property
    def servers(self) -> tuple[Server, ...]:
        """Those that can be asked."""
        return tuple(one.server for one in self.seen if one.server is not None)

    def slot_of(self, standby: ServerSeen) -> str:
        """The slot that a standby should stream from."""
        own = standby.condition.slot if standby.condition else ""
        return (self.wish.slot if len(self.standbys) == 1 else "") or own

    def sender_to(self, standby: ServerSeen) -> Sender | None:
        """The walsender that feeds a standby: known by its pod's address, or its slot while it streams.

        By the slot, for where addresses are translated on the way; but neither another known pod's, nor the
        one that the standby's log names as being in its way.
        """
        every = [sender for one in self.seen if one is not standby for sender in one.senders]
        here = [s for s in every if s.address == standby.pod.ip]
        if here or (standby.receiver is not None and not standby.streaming):
            return next(iter(here), None)
        addresses = {one.pod.ip for one in self.seen}
        slot = standby.condition.slot if standby.condition else ""
        named = [s for s in every if slot and s.slot == slot and s.address not in addresses]
        return next((s for s in named if not standby.complains_of(s)), None)

    @property
    def table(self) -> Table:
        """One server a line."""
        columns = (
            "pod",
            "looked for as",
            "state",
            "is",
            "system identifier",
            "receiver",
            "sends to",
            "disk free",
            "warnings and errors in its log",
        )
        rows = [one.row for one in self.seen]
        rows += [(f"no pod of {selector}", part, *[None] * 7) for part, selector in self.missing]
        return Table.of(columns, rows, title=f"Evidence from {self.place}", note=self._note())

    def _note(self) -> str:
        return "\n".join(f"{one.name}: {words}" for one in self.seen for words in one.unanswered)

    @property
    def log(self) -> Table:
        """The last warnings and errors of each server's log, and the warnings among its pod's events."""
        rows = [
            (one.name, words)
            for one in self.seen
            for words in (*one.events[-_SHOWN_LINES:], *map(stamped, grave(one.log)[-_SHOWN_LINES:]))
        ]
        note = "" if rows else "No warning and no error."
        return Table.of(("pod", "words"), rows, title="Warnings of logs and events", note=note)
