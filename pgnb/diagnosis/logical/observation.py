"""Evidence about logical replication: catalogs, statistics and the log, read in one pass without a change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pgnb.core.errors import DeadlineExceeded, PgnbError
from pgnb.core.parallel import map_parallel
from pgnb.core.wait import wait_until
from pgnb.logical.catalog import Named
from pgnb.logical.conflicts import WorkerError, read_worker_errors
from pgnb.logical.publication import Publication, published_tables, read_publications
from pgnb.logical.row_pair import row_pair
from pgnb.logical.schema_diff import Difference, compare_schemas
from pgnb.logical.slots import logical_slots
from pgnb.logical.specs import DatabaseSpec
from pgnb.logical.subscription import Subscription, read_subscriptions
from pgnb.logical.updates import Obstacle, current_obstacles
from pgnb.logical.workers import Apply, Workers
from pgnb.postgres import Server
from pgnb.postgres.slots import Slot


@dataclass(frozen=True)
class DatabaseObservation:
    """One database on both servers. `states` are the subscription's tables and their states (r: ready).

    `publisher_error` and `missing` say why a side could not be read.
    """

    spec: DatabaseSpec
    missing: bool = False
    publisher_error: str = ""
    subscription: Subscription | None = None
    apply: Apply | None = None
    states: Mapping[Named, str] = field(default_factory=dict)
    publication: Publication | None = None
    published: frozenset[Named] = frozenset()
    slot: Slot | None = None
    differences: tuple[Difference, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    """Published tables whose UPDATE and DELETE fail, or will fail."""
    worker_errors: tuple[WorkerError, ...] = ()
    rows: tuple[str, ...] = ()
    """The row of the latest conflict on both servers."""

    @property
    def not_ready(self) -> tuple[Named, ...]:
        """Tables whose initial copy has not finished."""
        return tuple(key for key, state in self.states.items() if state != "r")


@dataclass(frozen=True)
class Evidence:
    """Everything that the findings are derived from."""

    databases: tuple[DatabaseObservation, ...]
    workers: Workers
    worker_errors: Sequence[WorkerError]
    log_error: str = ""


def collect(
    publisher: Server,
    subscriber: Server,
    specs: Sequence[DatabaseSpec],
    *,
    lines: int,
    patience: float,
    show_rows: bool = False,
) -> Evidence:
    """Read both servers and the subscriber's log.

    `patience`: seconds to wait until new workers stay or end. Without `show_rows` the values of rows are left
    out. A publisher that does not answer is evidence, too. Raises what the subscriber's queries raise.
    """
    workers = Workers(**subscriber.fetch_one("logical/worker_room"))
    applies = {(a.database, a.subscription): a for a in _stable(subscriber, specs, patience)}
    worker_errors, refused = _worker_errors(subscriber, lines)
    slots, silent = _slots(publisher)
    there = {row["datname"] for row in subscriber.query("SELECT datname FROM pg_catalog.pg_database")}

    def look(spec: DatabaseSpec) -> DatabaseObservation:
        if spec.database not in there:
            return DatabaseObservation(spec, missing=True)
        apply = applies.get((spec.database, spec.subscription))
        own = tuple(i for i in worker_errors if i.subscription == spec.subscription)
        return _look(publisher, subscriber, spec, silent, slots, apply, own, show_rows=show_rows)

    found = tuple(map_parallel(look, specs))
    return Evidence(found, workers, _shown(worker_errors, show_rows=show_rows), refused)


def _shown(worker_errors: Sequence[WorkerError], *, show_rows: bool) -> tuple[WorkerError, ...]:
    return tuple(worker_error if show_rows else worker_error.without_values for worker_error in worker_errors)


def _stable(subscriber: Server, specs: Sequence[DatabaseSpec], patience: float) -> list[Apply]:
    """Return the apply workers once each one stays, or `patience` has passed."""
    wanted = {(spec.database, spec.subscription) for spec in specs}

    def probe() -> list[Apply]:
        return [Apply(**row) for row in subscriber.query("logical/apply_state")]

    def stable(found: Sequence[Apply]) -> bool:
        return all(a.stable for a in found if (a.database, a.subscription) in wanted)

    try:
        return wait_until(
            "the apply workers to become stable", probe, stable, timeout=patience, describe=_workers
        )
    except DeadlineExceeded:
        # A worker that does not stay becomes a finding.
        return probe()


def _workers(found: Sequence[Apply]) -> str:
    return f"{sum(a.pid is not None for a in found)} of {sum(a.enabled for a in found)} run"


def _worker_errors(subscriber: Server, lines: int) -> tuple[Sequence[WorkerError], str]:
    try:
        return read_worker_errors(subscriber, lines=lines, show_rows=True), ""
    except PgnbError as error:
        return (), error.message


def _slots(publisher: Server) -> tuple[Mapping[str, Slot], str]:
    try:
        # A new session fails sooner than the kept one, which waits for the server to return.
        with publisher.new_session() as session:
            session.query("SELECT 1")
        return logical_slots(publisher), ""
    except PgnbError as error:
        return {}, f"{error.message} ({error.found})" if error.found else error.message


def _look(
    publisher: Server,
    subscriber: Server,
    spec: DatabaseSpec,
    silent: str,
    slots: Mapping[str, Slot],
    apply: Apply | None,
    own: tuple[WorkerError, ...],
    *,
    show_rows: bool,
) -> DatabaseObservation:
    subscription = read_subscriptions(subscriber, spec.database).get(spec.subscription)
    named = {"subscription": spec.subscription}
    known = subscriber.query("logical/subscription_tables", named, database=spec.database)
    states = {(row["schema"], row["table"]): row["state"] for row in known}
    own = tuple(resolve_table(subscriber, spec, states, worker_error) for worker_error in own)
    pair = (subscriber,) if silent else (subscriber, publisher)
    rows = _rows(pair, spec, states, _latest(apply, own), show=show_rows)
    told = _shown(own, show_rows=show_rows)
    observed = DatabaseObservation(
        spec, False, silent, subscription, apply, states, worker_errors=told, rows=rows
    )
    if silent or not publisher.present:
        return observed
    tables = published_tables(publisher, spec.database, spec.publication)
    slot = slots.get(subscription.slot or "") if subscription else None
    differences = compare_schemas(publisher, subscriber, [spec.database]).differences
    return replace(
        observed,
        publication=read_publications(publisher, spec.database).get(spec.publication),
        published=frozenset((t.schema, t.table) for t in tables),
        slot=slot,
        differences=differences,
        obstacles=current_obstacles(publisher, subscriber, spec),
    )


def _latest(apply: Apply | None, own: Sequence[WorkerError]) -> WorkerError | None:
    """Return the latest apply error that names a row and whose transaction still waits."""
    waiting = [
        i
        for i in own
        if i.columns and i.phase == "apply" and apply is not None and apply.still_affected_by(i)
    ]
    return waiting[-1] if waiting else None


def _rows(
    servers: Sequence[Server],
    spec: DatabaseSpec,
    tables: Iterable[Named],
    worker_error: WorkerError | None,
    *,
    show: bool,
) -> tuple[str, ...]:
    if worker_error is None:
        return ()
    table = next((key for key in tables if worker_error.table == f"{key[0]}.{key[1]}"), None)
    if table is None:
        return ()
    return row_pair(servers, spec.database, table, worker_error.columns, worker_error.values, show=show)


def resolve_table(
    subscriber: Server, spec: DatabaseSpec, tables: Iterable[Named], worker_error: WorkerError
) -> WorkerError:
    """Return the error with its table as `schema.name`, if its name or constraint fits exactly one.

    `tables` are those of the subscription. The apply worker of PostgreSQL 14 does not log the table. An error
    of a copy is returned unchanged, as is one that fits several tables.
    """
    if worker_error.phase == "copy" or "." in worker_error.table:
        return worker_error
    if worker_error.table:
        found = [key for key in tables if key[1] == worker_error.table]
    else:
        found = _constrained(subscriber, spec, worker_error.constraint)
    return replace(worker_error, table=".".join(found[0])) if len(found) == 1 else worker_error


def _constrained(subscriber: Server, spec: DatabaseSpec, constraint: str) -> list[Named]:
    if not constraint:
        return []
    named = {"subscription": spec.subscription, "constraint": constraint}
    rows = subscriber.query("logical/constrained_tables", named, database=spec.database)
    return [(row["schema"], row["table"]) for row in rows]
