"""Who gives the primary's role away, who takes it, who follows, and which Service clients use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, cast, get_args

from pgnb.cluster import Cluster
from pgnb.cluster.role_change_mark import RoleChangeMark, role_change_mark
from pgnb.core.checks import Check
from pgnb.core.display import Cell, Displayable, Table, key_value_table
from pgnb.core.errors import ParameterError, WrongServer
from pgnb.core.journal import Entry
from pgnb.core.tls import checked_tls
from pgnb.observe.phases import timed_phase
from pgnb.physical.failover.old_primary import OldPrimary, old_primary
from pgnb.physical.failover.shutdown_state import ShutdownState
from pgnb.postgres import Server
from pgnb.postgres.facts import assert_expected
from pgnb.postgres.progress import lsn_bytes, replay_progress
from pgnb.postgres.services import port_of
from pgnb.postgres.source import Source
from pgnb.postgres.standbys import find_standbys

Operation = Literal["switchover", "failover", "rejoin"]


@dataclass(repr=False)
class RoleChange(Displayable):
    """One change of roles. What its parts find out on the way stands here, for those that come later.

    `candidate` is the standby that takes the role (or has it already), `others` the further standbys.
    `ended` are pods on their way out whose server is seen to have ended, by uid; `unreadable` says why the
    old volume could not be worked on, `data_only` that the old server's further claims keep a helper pod
    from starting; `change` is what stands on the old primary's workload as in progress. `accepted_slots`
    are logical slots that may be lost, `confirmed` pods that somebody vouches for, `remains` what was read
    of the old primary's volume, `fenced_on_disk` whether standby.signal is there, `phases` what was done
    when; `quiet_from` is when writes were stopped, in a failover the newest commit that the candidate has;
    `lost_commits` is the failover's loss at most, None: unknown. `fencing_timeout`: seconds for a helper
    pod on the old volume to start, before the fence is weak.
    """

    cluster: Cluster = field(repr=False)
    operation: Operation
    old: OldPrimary
    candidate: Server
    others: tuple[Server, ...]
    service: str
    allow_slot_loss: str = ""
    confirmed: dict[str, str] = field(default_factory=dict)
    shutdown_state: ShutdownState | None = None
    fenced_on_disk: bool = False
    ended: dict[str, str] = field(default_factory=dict)
    unreadable: str = ""
    data_only: bool = False
    mark: RoleChangeMark | None = None
    phases: list[Entry] = field(default_factory=list)
    writes_stopped_at: datetime | None = None
    lost_commits: int | None = None
    fencing_timeout: float = 60.0

    @property
    def servers(self) -> tuple[Server, ...]:
        """Every server that answers, the old primary among them."""
        found, _ = self.old.server() if self.operation != "failover" else (None, "")
        standbys = tuple(one for one in (self.candidate, *self.others) if one.present)
        return (found, *standbys) if found is not None and found.present else standbys

    @property
    def done(self) -> bool:
        """Whether the candidate has the role already."""
        return self.candidate.present and not self.candidate.refresh().in_recovery

    def source(
        self,
        role: str,
        secret: str,
        *,
        secret_key: str = "password",  # noqa: S107  a key's name
        tls: Mapping[str, str] | None = None,
    ) -> Source:
        """Where standbys get WAL from once the roles have changed: the Service, whoever is behind it now.

        `tls` are libpq's TLS options, with paths of the container that connects. Raises ParameterError for a
        Service that is not there, and for options that libpq could not carry out.
        """
        found = self.cluster.get("services", self.service)
        if found is None:
            raise ParameterError(f"there is no Service {self.service}", remedy="Name it by primary_service.")
        own = port_of(found, self.candidate) if self.candidate.present else None
        port = own or int(found["spec"]["ports"][0]["port"])
        return Source(self.service, port, role, secret, secret_key, checked_tls(tls or {}))

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Keep how long a phase took, for the record and the picture."""
        with timed_phase(self.cluster.journal, self.phases, self.candidate.name, name):
            yield

    @property
    def table(self) -> Table:
        """Everybody's part, one fact a line."""
        facts: dict[str, object] = {
            "operation": self.operation,
            "gives the role away": f"{self.old.name} ({self.old.volume})",
            "its pods": self.old.state,
            "takes the role": _words(self.candidate),
        }
        facts |= {f"follows: {one.name}": _words(one) for one in self.others}
        facts["clients' Service"] = self.service
        return key_value_table("Succession", facts)


def _words(server: Server) -> Cell:
    if not server.present:
        return Cell(f"{server.name}: not there yet", "warn")
    if not server.facts.in_recovery:
        return Cell(f"{server.name}: is a primary, timeline {server.facts.timeline}")
    state = replay_progress(server)
    text = f"{server.name}: received {state.received}, replayed {state.replayed}, receiver {state.receiver}"
    return Cell(text, "good" if state.receiver == "streaming" else "warn")


def role_change(
    cluster: Cluster,
    operation: str,
    *,
    primary: str,
    standby_selector: str,
    service: str,
    candidate: str = "",
    container: str = "",
    user: str = "postgres",
    password: str = "",
    data_directory: str = "",
    allow_slot_loss: str = "",
    expect: str = "",
    start_timeout: float = 300.0,
    fencing_timeout: float = 60.0,
) -> RoleChange:
    """Find everybody's part. `primary` is the old primary's Deployment or StatefulSet, whatever became of it.

    `candidate` names a standby by its workload or pod; empty: the one that is a primary already, else the
    one that received most. `allow_slot_loss`: logical slots that a switchover may leave behind, by name,
    joined by ", ". `expect`: the system identifier that every server which answers must have. `start_timeout`
    and `fencing_timeout`: seconds for a helper pod on the old primary's volume to start, where the change of
    roles needs it, and where it can go on without it. Raises ParameterError, PodError, NotFound, and
    WrongServer, also for two primaries among the standbys.
    """
    _assert_known(operation)
    standbys = find_standbys(cluster, standby_selector, user=user, password=password)
    chosen = _named(cluster, standbys, candidate) if candidate else _foremost(standbys)
    old = old_primary(
        cluster,
        primary,
        container=container,
        user=user,
        password=password,
        data_directory=data_directory,
        likely_directory=chosen.facts.data_directory if chosen.present else "",
    )
    if old.target is not None:
        old.target = replace(old.target, start_timeout=start_timeout)
    found, _ = old.server() if expect else (None, "")
    for one in (*([found] if found else []), *(one for one in standbys if one.present)):
        assert_expected(one.name, one.facts, expect)
    others = tuple(one for one in standbys if one is not chosen)
    return RoleChange(
        cluster,
        cast(Operation, operation),
        old,
        chosen,
        others,
        service,
        allow_slot_loss,
        mark=role_change_mark(old.workload.object),
        fencing_timeout=fencing_timeout,
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
        remedy="Name its pod, or its Deployment or StatefulSet; leave it empty for the foremost one.",
    )


def _foremost(standbys: tuple[Server, ...]) -> Server:
    primaries = [one for one in standbys if one.present and not one.facts.in_recovery]
    if len(primaries) > 1:
        raise WrongServer(
            "several of the standbys are primaries",
            found=", ".join(one.name for one in primaries),
            remedy="Find out which one has the clients' writes (09's rejoin is for the others), and name it.",
        )
    return primaries[0] if primaries else max(standbys, key=received)


def received(standby: Server) -> int:
    """How far a standby has WAL on its disk, in bytes from the beginning of the cluster's life."""
    if not standby.present:
        return 0
    state = replay_progress(standby)
    return max((lsn_bytes(lsn) for lsn in (state.received, state.replayed) if lsn), default=0)


def foremost(role_change: RoleChange) -> Check:
    """No other standby has received more: what it has beyond the candidate would be lost, and it would be
    on another history."""
    own = received(role_change.candidate)
    ahead = [one.name for one in role_change.others if one.facts.in_recovery and received(one) > own]
    return Check(
        "no other standby has more",
        not ahead,
        ", ".join(ahead) or "none",
        "none",
        "Promote that one: name it by candidate.",
    )
