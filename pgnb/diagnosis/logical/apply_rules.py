"""The rules of the workers: what an apply fails at, why there is none, which copies do not come through."""

from __future__ import annotations

from pgnb.core.display import format_duration
from pgnb.core.findings import Finding
from pgnb.diagnosis.logical.observation import DatabaseObservation, Evidence
from pgnb.diagnosis.logical.rule_helpers import (
    MISSING_TABLE,
    Findings,
    is_about,
    is_still_active,
    last_logged,
    retained_wal,
    table_text,
)
from pgnb.logical.catalog import Named
from pgnb.logical.conflicts import Category, WorkerError

_STATES = {"i": "waits for its copy", "d": "is being copied", "f": "is copied", "s": "catches up"}
_SILENCE = 10.0
"""Seconds beyond half of wal_receiver_timeout, when an apply worker asks for a sign of life."""
_STARTUP = 10.0
"""Seconds within which the launcher starts a worker (it looks every wal_retrieve_retry_interval)."""
_APPLY_KINDS: dict[Category, str] = {
    "duplicate key": "conflict",
    "missing table": "missing-table",
    "missing column": "refused-row",
    "refused value": "refused-row",
    "no replica identity": "no-replica-identity",
}
_CONNECTION: tuple[Category, ...] = ("connection", "publication")


def apply_findings(observed: DatabaseObservation, evidence: Evidence) -> Findings:
    """The apply worker: what it fails at, or why there is none."""
    failing = [i for i in observed.worker_errors if i.phase == "apply" and is_still_active(observed, i)]
    rows = [i for i in failing if i.category not in (*_CONNECTION, "no slot", "no worker", "missing row")]
    if rows:
        causes = [i for i in rows if i.category != "secondary"]
        yield _failing(observed, (causes or rows)[-1])
    elif observed.apply is None or not observed.apply.stable:
        yield _no_worker(observed, evidence, [i for i in failing if i.category in _CONNECTION])
    elif (age := observed.apply.message_age) is not None and age > _longest_silence(evidence):
        yield _dead(observed, f"the worker runs, but the last message came {format_duration(age)} ago")


def _longest_silence(evidence: Evidence) -> float:
    timeout = evidence.workers.timeout_ms / 1000
    return timeout / 2 + _SILENCE if timeout else float("inf")


def _failing(observed: DatabaseObservation, worker_error: WorkerError) -> Finding:
    kind = _APPLY_KINDS.get(worker_error.category, "apply-fails")
    remedy, remedy = _ROW_MENDS.get(kind, _ROW_MENDS["apply-fails"])
    if kind in _SKIPPABLE:
        remedy = f"{remedy} {_SKIP if worker_error.lsn else _NO_SKIP}"
    return Finding(
        kind,
        worker_error.table or observed.spec.subscription,
        _CAUSES[kind],
        (
            f"log: {worker_error.summary}",
            *(observed.rows if kind == "conflict" else ()),
            *retained_wal(observed),
        ),
        remedy,
        database=observed.spec.database,
        remedy_id=remedy,
        lsn=worker_error.lsn,
    )


_CAUSES = {
    "conflict": "the subscriber has a row with that key: somebody wrote there, or it came twice",
    "missing-table": MISSING_TABLE[0],
    "refused-row": "the subscriber's table is not what the publisher's is",
    "no-replica-identity": "an UPDATE or DELETE cannot find its row on the subscriber",
    "apply-fails": "the server says why in its log",
}
_ROW_MENDS = {
    "conflict": (
        "Remove or change the row on the subscriber; the apply goes on by itself."
        " Disabling and enabling cures nothing.",
        "",
    ),
    "missing-table": (MISSING_TABLE[1], ""),
    "refused-row": (
        "Alter the subscriber's table as the comparison of the schemas says; the apply goes on by itself.",
        "",
    ),
    "no-replica-identity": (
        "Give the subscriber's table the publisher's replica identity; the apply goes on by itself. FULL on"
        " the publisher helps later rows alone, not those that wait.",
        "identity",
    ),
    "apply-fails": ("Correct what the log says; the apply goes on by itself.", ""),
}
_SKIPPABLE = ("conflict", "refused-row", "apply-fails")
_SKIP = (
    "Only if the row cannot be corrected there: remedy = 'skip' leaves that whole transaction out, its"
    " changes to other tables too, for good; compare the tables afterwards and resync those that differ."
)
_NO_SKIP = (
    "It cannot be skipped, for the log tells no LSN: PostgreSQL 14 never does; with streaming = parallel, set"
    " that to on and let it come again."
)


def _no_worker(observed: DatabaseObservation, evidence: Evidence, failing: list[WorkerError]) -> Finding:
    workers = evidence.workers
    if failing:
        return _dead(observed, f"log: {failing[-1].summary}")
    if workers.running >= workers.max_workers:
        return _too_few(
            observed, evidence, f"the subscription {observed.spec.subscription} has no apply worker"
        )
    if observed.publisher_silent:
        return _dead(observed, f"the publisher does not answer: {observed.publisher_silent}")
    return Finding(
        "no-worker",
        observed.spec.subscription,
        "it does not start, or does not stay",
        (
            f"pg_stat_subscription has no worker that lives longer than {format_duration(_STARTUP)}",
            *last_logged(observed, "other"),
            *retained_wal(observed),
        ),
        "Read the subscriber's log; pg_stat_activity shows the logical replication launcher.",
        database=observed.spec.database,
    )


def _dead(observed: DatabaseObservation, found: str) -> Finding:
    connection = observed.subscription.connection if observed.subscription else ""
    return Finding(
        "dead-connection",
        observed.spec.subscription,
        "the publisher is not reached, does not let the role in, or answers no more",
        (found, f"connection: {connection}", *retained_wal(observed)),
        "See that the Service leads to the publisher, that pg_hba.conf lets the role in and that its password"
        " is the Secret's (12_logical_replication checks all three); the worker tries again by itself.",
        database=observed.spec.database,
    )


def _too_few(observed: DatabaseObservation, evidence: Evidence, found: str) -> Finding:
    workers = evidence.workers
    warned = [i.summary for i in evidence.worker_errors if i.category == "no worker"][-1:]
    return Finding(
        "too-few-workers",
        observed.spec.subscription,
        f"{workers.running} of max_logical_replication_workers = {workers.max_workers} run;"
        f" {workers.subscriptions} subscriptions and their copies need {workers.needed}",
        (found, *(f"log: {text}" for text in warned)),
        f"Raise max_logical_replication_workers to {workers.needed} or more, and max_worker_processes"
        f" ({workers.max_processes} now) above that; both take a restart of the subscriber.",
        database=observed.spec.database,
        remedy_id="workers",
    )


def copy_findings(observed: DatabaseObservation, evidence: Evidence) -> Findings:
    """Tables whose initial copy does not come through: it fails, or no worker takes it up."""
    workers = evidence.workers
    for key in observed.not_ready:
        failing = [i for i in observed.worker_errors if i.phase == "copy" and is_about(i, key)]
        if failing:
            yield _stalled(observed, key, failing[-1])
    waiting = [key for key, state in observed.states.items() if state == "i"]
    applies = observed.apply is not None and observed.apply.stable
    if waiting and applies and workers.running >= workers.max_workers:
        yield _too_few(observed, evidence, f"{', '.join(map(table_text, waiting))}: {_STATES['i']} (state i)")


def _stalled(observed: DatabaseObservation, key: Named, worker_error: WorkerError) -> Finding:
    state = observed.states[key]
    cause, remedy = _STALLS.get(worker_error.category, _REFUSED)
    return Finding(
        "stalled-sync",
        table_text(key),
        cause,
        (
            f"log: {worker_error.summary}",
            f"state {state}: {_STATES.get(state, state)}",
            *retained_wal(observed),
        ),
        remedy,
        database=observed.spec.database,
        remedy_id="resync",
    )


_REFUSED = (
    "the copy is refused",
    "Mend what the log says; the copy is tried again by itself. Where the subscriber's rows are of no use,"
    " resync empties the table first.",
)
_STALLS = {
    "duplicate key": (
        "the subscriber's table had rows before the copy began",
        "Empty the subscriber's table and let it be copied again.",
    ),
    # The slot is dropped before the end of the copy is committed, or flushed: a crash in between loses that.
    "no slot": (
        "there is nothing to copy it by: its slot is gone, as after a crash of either server",
        "Empty the subscriber's table and let it be copied again; it does not go on by itself.",
    ),
}
