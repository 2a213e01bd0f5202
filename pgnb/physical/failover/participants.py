"""The servers and the Service of a change of roles: old primary, candidate, other standbys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast, get_args

from pgnb.cluster import Cluster
from pgnb.cluster.role_change_mark import RoleChangeMark, role_change_mark
from pgnb.core.checks import Check
from pgnb.core.display import Cell, Displayable, Table, key_value_table
from pgnb.core.errors import ParameterError, WrongServer
from pgnb.core.tls import checked_tls
from pgnb.observe.phases import PhaseTimer
from pgnb.physical.failover.old_primary import OldPrimary, old_primary
from pgnb.physical.failover.shutdown_state import ShutdownState
from pgnb.postgres import Server, ServerAccess
from pgnb.postgres.facts import assert_expected
from pgnb.postgres.progress import lsn_bytes, replay_progress
from pgnb.postgres.services import port_of
from pgnb.postgres.source import Source
from pgnb.postgres.standbys import find_standbys

Operation = Literal["switchover", "failover", "rejoin"]


@dataclass(frozen=True)
class RoleChangeTerms:
    """What a change of roles may lose, and how long its pods may take.

    `allow_slot_loss`: logical slots that a switchover may lose, by name, joined by ", ". `start_timeout` and
    `fencing_timeout`: seconds for a helper pod on the old primary's volume to start, where the operation
    needs it, and where it can do without; then the fence is weak.
    """

    allow_slot_loss: str = ""
    start_timeout: float = 300.0
    fencing_timeout: float = 60.0


@dataclass
class RoleChangeProgress:
    """What the steps of a change of roles have found and done so far.

    `confirmed` maps pods that are confirmed to be gone to who confirmed it. `shutdown_state` was read from
    the old primary's volume; `fenced_on_disk`: standby.signal is there. `ended` maps the uid of a pod that is
    being deleted to how its server is known to have ended. `unreadable` says why the old volume can't be
    used; `data_only`: a helper pod starts only without the old server's further claims. `mark` is the
    annotation on the old primary's workload. `writes_stopped_at`: when writes were stopped, in a failover the
    candidate's newest commit. `lost_commits`: upper bound of the failover's loss, None if unknown.
    """

    mark: RoleChangeMark | None = None
    confirmed: dict[str, str] = field(default_factory=dict)
    shutdown_state: ShutdownState | None = None
    fenced_on_disk: bool = False
    ended: dict[str, str] = field(default_factory=dict)
    unreadable: str = ""
    data_only: bool = False
    writes_stopped_at: datetime | None = None
    lost_commits: int | None = None


@dataclass(frozen=True, repr=False)
class RoleChange(Displayable):
    """The participants of one change of roles, and its `progress`.

    `candidate` is the standby that becomes the primary (or already is), `others` the further standbys.
    `phase` times a phase, as a context manager.
    """

    cluster: Cluster = field(repr=False)
    operation: Operation
    old: OldPrimary
    candidate: Server
    others: tuple[Server, ...]
    service: str
    terms: RoleChangeTerms
    phase: PhaseTimer
    progress: RoleChangeProgress

    @property
    def servers(self) -> tuple[Server, ...]:
        """Every server that answers, including the old primary."""
        found, _ = self.old.server() if self.operation != "failover" else (None, "")
        standbys = tuple(one for one in (self.candidate, *self.others) if one.present)
        return (found, *standbys) if found is not None and found.present else standbys

    @property
    def done(self) -> bool:
        """Whether the candidate is already a primary."""
        return self.candidate.present and not self.candidate.refresh().in_recovery

    def source(
        self,
        role: str,
        secret: str,
        *,
        secret_key: str = "password",  # noqa: S107  a key's name
        tls: Mapping[str, str] | None = None,
    ) -> Source:
        """Return the source of WAL for standbys after the change of roles: the Service.

        `tls` are libpq's TLS options, with paths in the container that connects. Raises ParameterError if the
        Service does not exist, and for options that libpq refuses.
        """
        found = self.cluster.get("services", self.service)
        if found is None:
            raise ParameterError(f"there is no Service {self.service}", remedy="Name it by primary_service.")
        own = port_of(found, self.candidate) if self.candidate.present else None
        port = own or int(found["spec"]["ports"][0]["port"])
        return Source(self.service, port, role, secret, secret_key, checked_tls(tls or {}))

    @property
    def table(self) -> Table:
        """The participants, one line for each fact."""
        facts: dict[str, object] = {
            "operation": self.operation,
            "old primary": f"{self.old.name} ({self.old.volume})",
            "its pods": self.old.state,
            "candidate": _words(self.candidate),
        }
        facts |= {f"standby: {one.name}": _words(one) for one in self.others}
        facts["clients' Service"] = self.service
        return key_value_table("Change of roles", facts)


def _words(server: Server) -> Cell:
    if not server.present:
        return Cell(f"{server.name}: does not exist yet", "warn")
    if not server.facts.in_recovery:
        return Cell(f"{server.name}: is a primary, timeline {server.facts.timeline}")
    state = replay_progress(server)
    text = f"{server.name}: received {state.received}, replayed {state.replayed}, receiver {state.receiver}"
    return Cell(text, "good" if state.receiver == "streaming" else "warn")


_TERMS = RoleChangeTerms()


def role_change(
    cluster: Cluster,
    operation: str,
    primary: str,
    access: ServerAccess,
    *,
    standby_selector: str,
    service: str,
    candidate: str = "",
    terms: RoleChangeTerms = _TERMS,
) -> RoleChange:
    """Find the participants. `primary` is the old primary's Deployment or StatefulSet, in whatever state.

    `access` is the old primary's; the standbys take the same login, and every server that answers must have
    the expected system identifier. `candidate` names a standby by its workload or pod; empty: the one that is
    already a primary, else the one that received most WAL. Raises ParameterError, PodError, NotFound, and
    WrongServer, also for two primaries among the standbys.
    """
    _assert_known(operation)
    standbys = find_standbys(cluster, standby_selector, user=access.user, password=access.password)
    chosen = _named(cluster, standbys, candidate) if candidate else _with_most_wal(standbys)
    likely = chosen.facts.data_directory if chosen.present else ""
    old = old_primary(cluster, primary, access, likely_directory=likely, start_timeout=terms.start_timeout)
    found, _ = old.server() if access.expect else (None, "")
    for one in (*([found] if found else []), *(one for one in standbys if one.present)):
        assert_expected(one.name, one.facts, access.expect)
    others = tuple(one for one in standbys if one is not chosen)
    return RoleChange(
        cluster,
        cast(Operation, operation),
        old,
        chosen,
        others,
        service,
        terms,
        PhaseTimer(cluster.journal, chosen),
        RoleChangeProgress(role_change_mark(old.workload.object)),
    )


def _assert_known(operation: str) -> None:
    if operation not in get_args(Operation):
        raise ParameterError(
            f"there is no operation {operation!r}",
            remedy=f"Set operation to one of {', '.join(get_args(Operation))}.",
        )


def _named(cluster: Cluster, standbys: tuple[Server, ...], name: str) -> Server:
    there = [one for one in standbys if one.present]
    for one in there:
        if name in (one.pod.name, cluster.workload(one.pod).name):
            return one
    raise ParameterError(
        f"no Ready standby is called {name!r}",
        found=", ".join(one.name for one in there) or "no standby",
        remedy="Set candidate to a pod, Deployment or StatefulSet; empty takes the one with most WAL.",
    )


def _with_most_wal(standbys: tuple[Server, ...]) -> Server:
    primaries = [one for one in standbys if one.present and not one.facts.in_recovery]
    if len(primaries) > 1:
        raise WrongServer(
            "several of the standbys are primaries",
            found=", ".join(one.name for one in primaries),
            remedy="Find out which one has the clients' writes, and name it by candidate; rejoin the"
            " others (09).",
        )
    return primaries[0] if primaries else max(standbys, key=received)


def received(standby: Server) -> int:
    """Return how far a standby has WAL on its disk, as a number of bytes (an LSN)."""
    if not standby.present:
        return 0
    state = replay_progress(standby)
    return max((lsn_bytes(lsn) for lsn in (state.received, state.replayed) if lsn), default=0)


def most_wal_check(role_change: RoleChange) -> Check:
    """Check that no other standby has received more WAL, which would be lost and leave it diverged."""
    own = received(role_change.candidate)
    ahead = [one.name for one in role_change.others if one.facts.in_recovery and received(one) > own]
    return Check(
        "no other standby has more WAL",
        not ahead,
        ", ".join(ahead) or "none",
        "none",
        "Promote that one: set candidate to it.",
    )
