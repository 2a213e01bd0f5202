"""The participants of a logical cut-over: publisher, subscriber, databases, and the clients' Service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

from pgnb.cluster import Cluster
from pgnb.core.display import Displayable, Table, key_value_table
from pgnb.core.errors import ConnectionFailed, ParameterError, PodError
from pgnb.core.parallel import map_parallel
from pgnb.core.tls import checked_tls
from pgnb.logical.orphaned_slots import orphaned_slots
from pgnb.logical.row_counts import RowCounts
from pgnb.logical.specs import DatabaseSpec, Specs, database_specs
from pgnb.logical.subscription import read_subscriptions
from pgnb.logical.targets import databases_of
from pgnb.observe.phases import PhaseTimer
from pgnb.postgres import Login, Server, ServerAccess, find_server
from pgnb.postgres.route import Absent

Operation = Literal["cutover", "failover", "clean", "abandon"]


@dataclass(frozen=True)
class ReverseReplication:
    """How the publisher follows the subscriber after a planned cut-over.

    `service` selects the subscriber; "" for no reverse replication. `role` replicates with the password in
    `secret`; `tls` are libpq's TLS options.
    """

    service: str = ""
    role: str = ""
    secret: str = ""
    tls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CutoverTerms:
    """Limits of a cut-over.

    `margin`: values by which sequences are advanced if the publisher is dead. `timeout`: seconds to confirm
    that all changes arrived. `skip_row_count`: databases too large to be counted while writes are blocked.
    """

    margin: int = 10_000
    timeout: float = 120.0
    skip_row_count: Sequence[str] = ()


_NO_REVERSE, _TERMS = ReverseReplication(), CutoverTerms()


@dataclass
class CutoverProgress:
    """What the steps of a cut-over have found so far; what is done is read from the servers every time.

    `row_counts` by database are only displayed. `watched`: the scratch database of the measuring client,
    which is blocked and switched with the others.
    """

    row_counts: dict[str, RowCounts] = field(default_factory=dict)
    watched: str = ""


@dataclass(frozen=True, repr=False)
class Cutover(Displayable):
    """The participants of one cut-over, and its `progress`.

    `why_absent`: what was found instead of a publisher that does not answer. `phase` times a phase, as a
    context manager.
    """

    cluster: Cluster = field(repr=False)
    operation: Operation
    publisher: Server
    subscriber: Server
    specs: Specs
    service: str
    phase: PhaseTimer
    why_absent: str = ""
    reverse: ReverseReplication = _NO_REVERSE
    terms: CutoverTerms = _TERMS
    progress: CutoverProgress = field(default_factory=CutoverProgress)

    @property
    def candidate(self) -> Server:
        """The server that clients are switched to."""
        return self.subscriber

    @property
    def blocked_databases(self) -> tuple[str, ...]:
        """The databases of the publisher whose clients are blocked and switched."""
        watched = self.progress.watched
        return (*self.specs.databases, *([watched] if watched else []))

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
            "reverse replication": f"the publisher follows through {self.reverse.service}"
            if self.reverse.service
            else "none",
        }
        return key_value_table("Logical cut-over", facts)


def logical_cutover(
    operation: str,
    subscriber: Server,
    access: ServerAccess,
    *,
    publisher_selector: str,
    service: str,
    databases: Iterable[str] = (),
    reverse: ReverseReplication = _NO_REVERSE,
    terms: CutoverTerms = _TERMS,
) -> Cutover:
    """Find the participants. For `failover` the publisher may be dead.

    `operation`: `cutover` (planned), `failover` (the publisher is dead), `clean` (it is back: drop its
    slots), `abandon` (a planned cut-over that did not finish: allow writes again). `access` is the
    publisher's. `databases`: empty takes those with a subscription, or with one that was dropped. `reverse`
    is only for `cutover`. Raises ParameterError, PodError, ConnectionFailed, WrongServer.
    """
    if operation not in get_args(Operation):
        raise ParameterError(
            f"there is no operation {operation!r}", remedy=f"Set operation to one of {get_args(Operation)}."
        )
    if terms.margin < 0:
        raise ParameterError(
            "sequence_margin is negative", found=str(terms.margin), remedy="0 or more values."
        )
    may_lack = operation == "failover"
    publisher, why = _publisher(subscriber.cluster, publisher_selector, access, may_lack=may_lack)
    specs = _specs(publisher, subscriber, databases)
    tls = checked_tls(reverse.tls)
    _assert_among(specs, terms.skip_row_count)
    return Cutover(
        subscriber.cluster,
        cast(Operation, operation),
        publisher,
        subscriber,
        specs,
        service,
        PhaseTimer(subscriber.journal, subscriber),
        why,
        replace(reverse, service=reverse.service if operation == "cutover" else "", tls=tls),
        terms,
    )


def _assert_among(specs: Specs, skip_row_count: Sequence[str]) -> None:
    if unknown := [name for name in skip_row_count if name not in specs.databases]:
        raise ParameterError(
            f"databases that do not take part: {', '.join(unknown)}",
            found=f"taking part: {', '.join(specs.databases) or 'none'}",
            remedy="Name only these in skip_row_count.",
        )


def _publisher(
    cluster: Cluster, selector: str, access: ServerAccess, *, may_lack: bool
) -> tuple[Server, str]:
    try:
        found = find_server(
            cluster,
            selector,
            container=access.container,
            user=access.user,
            password=access.password,
            expect=access.expect,
        )
    except (PodError, ConnectionFailed) as error:
        if not may_lack:
            remedy = f"{error.remedy} If the publisher will not return, set operation = failover.".strip()
            raise type(error)(error.message, found=error.found, remedy=remedy) from error
        why = error.found or error.message
        return Server(Absent(f"the server of {selector}", why), Login(access.user), cluster.journal), why
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
