"""Rules about workers: what an apply worker fails with, why none runs, which initial copies do not finish."""

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

_STATES = {"i": "waits for its initial copy", "d": "is being copied", "f": "is copied", "s": "catches up"}
_SILENCE = 10.0
"""Seconds beyond half of wal_receiver_timeout; at that half an apply worker asks for a reply."""
_STARTUP = 10.0
"""Seconds within which the launcher starts a worker (it checks every wal_retrieve_retry_interval)."""
_APPLY_KINDS: dict[Category, str] = {
    "duplicate key": "conflict",
    "missing table": "missing-table",
    "missing column": "refused-row",
    "refused value": "refused-row",
    "no replica identity": "no-replica-identity",
}
_CONNECTION: tuple[Category, ...] = ("connection", "publication")


def apply_findings(observed: DatabaseObservation, evidence: Evidence) -> Findings:
    """Report what the apply worker fails with, or why none runs."""
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
    remedy, remedy_id = _ROW_REMEDIES.get(kind, _ROW_REMEDIES["apply-fails"])
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
        remedy_id=remedy_id,
        lsn=worker_error.lsn,
    )


_CAUSES = {
    "conflict": "the subscriber already has a row with that key: somebody wrote there, or the row arrived"
    " twice",
    "missing-table": MISSING_TABLE[0],
    "refused-row": "the subscriber's table differs from the publisher's",
    "no-replica-identity": "an UPDATE or DELETE cannot find its row on the subscriber",
    "apply-fails": "the cause is in the subscriber's log",
}
_ROW_REMEDIES = {
    "conflict": (
        "Remove or change the row on the subscriber; then the apply worker continues by itself. Disabling"
        " and enabling the subscription does not help.",
        "",
    ),
    "missing-table": (MISSING_TABLE[1], ""),
    "refused-row": (
        "Alter the subscriber's table as the comparison of the schemas says; then the apply worker"
        " continues by itself.",
        "",
    ),
    "no-replica-identity": (
        "Set the publisher's replica identity on the subscriber's table; then the apply worker continues"
        " by itself. FULL on the publisher helps only later rows, not those that wait now.",
        "identity",
    ),
    "apply-fails": ("Correct what the log says; then the apply worker continues by itself.", ""),
}
_SKIPPABLE = ("conflict", "refused-row", "apply-fails")
_SKIP = (
    "Only if the row cannot be corrected there: remedy = 'skip' skips the whole transaction permanently,"
    " including its changes to other tables. Compare the tables afterwards, and resync those that differ."
)
_NO_SKIP = (
    "It cannot be skipped, because the log has no LSN. PostgreSQL 14 never logs it; with streaming ="
    " parallel, set streaming = on and wait for the error to come again."
)


def _no_worker(observed: DatabaseObservation, evidence: Evidence, failing: list[WorkerError]) -> Finding:
    workers = evidence.workers
    if failing:
        return _dead(observed, f"log: {failing[-1].summary}")
    if workers.running >= workers.max_workers:
        return _too_few(
            observed, evidence, f"the subscription {observed.spec.subscription} has no apply worker"
        )
    if observed.publisher_error:
        return _dead(observed, f"the publisher does not answer: {observed.publisher_error}")
    return Finding(
        "no-worker",
        observed.spec.subscription,
        "it does not start, or ends at once",
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
        "the publisher is unreachable, rejects the role, or no longer answers",
        (found, f"connection: {connection}", *retained_wal(observed)),
        "Check that the Service leads to the publisher, that pg_hba.conf accepts the role and that its"
        " password is the Secret's (12_00_logical_replication checks all three). The worker retries by"
        " itself.",
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
        f"Raise max_logical_replication_workers to {workers.needed} or more, and max_worker_processes (now"
        f" {workers.max_processes}) above that. Both need a restart of the subscriber.",
        database=observed.spec.database,
        remedy_id="workers",
    )


def copy_findings(observed: DatabaseObservation, evidence: Evidence) -> Findings:
    """Report tables whose initial copy fails, or gets no worker."""
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
    "the copy fails",
    "Correct what the log says; the copy is retried by itself. If the subscriber's rows are not needed,"
    " resync empties the table first.",
)
_STALLS = {
    "duplicate key": (
        "the subscriber's table had rows before the copy began",
        "Empty the subscriber's table and copy it again.",
    ),
    # The slot is dropped before the end of the copy is flushed; after a crash in between, neither exists.
    "no slot": (
        "its slot no longer exists, as after a crash of either server",
        "Empty the subscriber's table and copy it again; it does not continue by itself.",
    ),
}
