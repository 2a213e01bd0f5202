"""The participants of a logical cut-over: publisher, subscriber, databases, and the clients' Service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from pgnb.cluster import Cluster
from pgnb.core.display import Displayable, Table, key_value_table
from pgnb.core.errors import ConnectionFailed, ParameterError, PodError
from pgnb.core.journal import Entry
from pgnb.core.parallel import map_parallel
from pgnb.core.tls import checked_tls
from pgnb.logical.orphaned_slots import orphaned_slots
from pgnb.logical.row_counts import RowCounts
from pgnb.logical.specs import DatabaseSpec, Specs, database_specs
from pgnb.logical.subscription import read_subscriptions
from pgnb.logical.targets import databases_of
from pgnb.observe.phases import timed_phase
from pgnb.postgres import Login, Server, find_server
from pgnb.postgres.route import Absent

Operation = Literal["cutover", "failover", "clean", "abandon"]
DEFAULT_MARGIN = 10_000


@dataclass(repr=False)
class Cutover(Displayable):
    """One cut-over. `why_absent`: what was found instead of a publisher that does not answer.

    `reverse_service`: the Service through which the publisher would follow the subscriber afterwards; "" for
    no reverse replication. `margin`: values by which sequences are advanced if the publisher is dead. The
    rows of databases in `skip_row_count` are not compared. `watched`: the scratch database of the measuring
    client, which is blocked and switched with the others. `row_counts` and `phases` are only displayed: what
    is done is read from the servers every time.
    """

    cluster: Cluster = field(repr=False)
    operation: Operation
    publisher: Server
    subscriber: Server
    specs: Specs
    service: str
    why_absent: str = ""
    reverse_service: str = ""
    role: str = ""
    secret: str = ""
    tls: Mapping[str, str] = field(default_factory=dict)
    margin: int = DEFAULT_MARGIN
    timeout: float = 120.0
    skip_row_count: tuple[str, ...] = ()
    row_counts: dict[str, RowCounts] = field(default_factory=dict)
    watched: str = ""
    phases: list[Entry] = field(default_factory=list)

    @property
    def candidate(self) -> Server:
        """The server that clients are switched to."""
        return self.subscriber

    @property
    def blocked_databases(self) -> tuple[str, ...]:
        """The databases of the publisher whose clients are blocked and switched."""
        return (*self.specs.databases, *([self.watched] if self.watched else []))

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Record how long a phase took, for the record and the plot."""
        with timed_phase(self.cluster.journal, self.phases, self.candidate.name, name):
            yield

    @property
    def table(self) -> Table:
        """The participants, one fact a row."""
        alive = self.publisher.name if not self.why_absent else f"does not answer: {self.why_absent}"
        facts: dict[str, object] = {
            "operation": self.operation,
            "publisher": alive,
            "subscriber, which takes over": self.subscriber.name,
            "databases": ", ".join(self.specs.databases) or "none",
            "clients' Service": self.service,
            "reverse replication": f"the publisher follows through {self.reverse_service}"
            if self.reverse_service
            else "none",
        }
        return key_value_table("Logical cut-over", facts)


def logical_cutover(
    cluster: Cluster,
    operation: str,
    subscriber: Server,
    *,
    publisher_selector: str,
    service: str,
    databases: Iterable[str] = (),
    container: str = "",
    user: str = "postgres",
    password: str = "",
    reverse_service: str = "",
    role: str = "",
    secret: str = "",
    tls: Mapping[str, str] | None = None,
    margin: int = DEFAULT_MARGIN,
    timeout: float = 120.0,
    skip_row_count: Iterable[str] = (),
    expect: str = "",
) -> Cutover:
    """Find the participants. For `failover` the publisher may be dead.

    `operation`: `cutover` (planned), `failover` (the publisher is dead), `clean` (it is back: drop its
    slots), `abandon` (a planned cut-over that did not finish: allow writes again). `databases`: empty
    takes those
    with a subscription, or with one that was dropped. `reverse_service` (only for `cutover`) selects the
    subscriber; "" for no reverse replication. `margin`: number of values; `timeout`: seconds to confirm.
    `skip_row_count`: databases too large to be counted while writes are blocked. `expect`: the system
    identifier of the publisher, if it answers. Raises ParameterError, PodError, ConnectionFailed,
    WrongServer.
    """
    if operation not in get_args(Operation):
        raise ParameterError(
            f"there is no operation {operation!r}", remedy=f"Set operation to one of {get_args(Operation)}."
        )
    if margin < 0:
        raise ParameterError("sequence_margin is negative", found=str(margin), remedy="0 or more values.")
    may_lack = operation == "failover"
    found = _publisher(cluster, publisher_selector, container, user, password, expect, may_lack=may_lack)
    publisher, why = found
    specs = _specs(publisher, subscriber, databases)
    reverse_service = reverse_service if operation == "cutover" else ""
    return Cutover(
        cluster,
        cast(Operation, operation),
        publisher,
        subscriber,
        specs,
        service,
        why,
        reverse_service,
        role,
        secret,
        checked_tls(tls or {}),
        margin,
        timeout,
        _among(specs, skip_row_count),
    )


def _among(specs: Specs, skip_row_count: Iterable[str]) -> tuple[str, ...]:
    left = tuple(skip_row_count)
    if unknown := [name for name in left if name not in specs.databases]:
        raise ParameterError(
            f"databases that do not take part: {', '.join(unknown)}",
            found=f"taking part: {', '.join(specs.databases) or 'none'}",
            remedy="Name only these in skip_row_count.",
        )
    return left


def _publisher(
    cluster: Cluster, selector: str, container: str, user: str, password: str, expect: str, *, may_lack: bool
) -> tuple[Server, str]:
    try:
        found = find_server(
            cluster, selector, container=container, user=user, password=password, expect=expect
        )
    except (PodError, ConnectionFailed) as error:
        if not may_lack:
            remedy = f"{error.remedy} If the publisher will not return, set operation = failover.".strip()
            raise type(error)(error.message, found=error.found, remedy=remedy) from error
        why = error.found or error.message
        return Server(Absent(f"the server of {selector}", why), Login(user), cluster.journal), why
    return found, "" if found.present else f"no pod matches {selector}"


def _specs(publisher: Server, subscriber: Server, databases: Iterable[str]) -> Specs:
    """Return the named databases; else those with a subscription, a dropped one, or a publication."""
    named = list(databases)
    if named:
        return database_specs(publisher if publisher.present else subscriber, named)
    orphaned = {one.database for one in orphaned_slots(subscriber)}
    specs = [DatabaseSpec.of(one) for one in sorted(databases_of(subscriber)) if one != "postgres"]
    there = databases_of(publisher)
    known = map_parallel(
        lambda spec: spec.database in orphaned or _takes_part(publisher, subscriber, spec, there), specs
    )
    return Specs(tuple(spec for spec, takes in zip(specs, known, strict=True) if takes))


def _takes_part(publisher: Server, subscriber: Server, spec: DatabaseSpec, there: frozenset[str]) -> bool:
    if spec.subscription in read_subscriptions(subscriber, spec.database):
        return True
    query, params = "SELECT 1 FROM pg_publication WHERE pubname = %s", (spec.publication,)
    return spec.database in there and bool(publisher.query(query, params, database=spec.database))
