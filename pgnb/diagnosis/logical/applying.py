"""The rules of the workers: what an apply fails at, why there is none, which copies do not come through."""

from __future__ import annotations

from pgnb.core.display import format_duration
from pgnb.core.findings import Finding
from pgnb.diagnosis.logical.observation import DatabaseSeen, Evidence
from pgnb.diagnosis.logical.rule_helpers import (
    MISSING_TABLE,
    Findings,
    concerns,
    current,
    logged,
    retained,
    words,
)
from pgnb.logical.catalog import Named
from pgnb.logical.conflicts import Incident, Trouble

_STATES = {"i": "waits for its copy", "d": "is being copied", "f": "is copied", "s": "catches up"}
_SILENCE = 10.0
"""Seconds beyond half of wal_receiver_timeout, when an apply worker asks for a sign of life."""
_STARTUP = 10.0
"""Seconds within which the launcher starts a worker (it looks every wal_retrieve_retry_interval)."""
_APPLY_KINDS: dict[Trouble, str] = {
    "duplicate key": "conflict",
    "missing table": "missing-table",
    "missing column": "refused-row",
    "refused value": "refused-row",
    "no replica identity": "no-replica-identity",
}
_CONNECTION: tuple[Trouble, ...] = ("connection", "publication")


def apply_findings(seen: DatabaseSeen, evidence: Evidence) -> Findings:
    """The apply worker: what it fails at, or why there is none."""
    failing = [i for i in seen.incidents if i.phase == "apply" and current(seen, i)]
    rows = [i for i in failing if i.trouble not in (*_CONNECTION, "no slot", "no worker", "missing row")]
    if rows:
        causes = [i for i in rows if i.trouble != "aftermath"]
        yield _failing(seen, (causes or rows)[-1])
    elif seen.apply is None or not seen.apply.settled:
        yield _no_worker(seen, evidence, [i for i in failing if i.trouble in _CONNECTION])
    elif (age := seen.apply.message_age) is not None and age > _quiet_at_most(evidence):
        yield _dead(seen, f"the worker runs, but the last message came {format_duration(age)} ago")


def _quiet_at_most(evidence: Evidence) -> float:
    timeout = evidence.workers.timeout_ms / 1000
    return timeout / 2 + _SILENCE if timeout else float("inf")


def _failing(seen: DatabaseSeen, incident: Incident) -> Finding:
    kind = _APPLY_KINDS.get(incident.trouble, "apply-fails")
    mend, remedy = _ROW_MENDS.get(kind, _ROW_MENDS["apply-fails"])
    if kind in _SKIPPABLE:
        mend = f"{mend} {_SKIP if incident.lsn else _NO_SKIP}"
    return Finding(
        kind,
        incident.table or seen.spec.subscription,
        _CAUSES[kind],
        (f"log: {incident.summary}", *(seen.rows if kind == "conflict" else ()), *retained(seen)),
        mend,
        database=seen.spec.database,
        remedy_id=remedy,
        lsn=incident.lsn,
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


def _no_worker(seen: DatabaseSeen, evidence: Evidence, failing: list[Incident]) -> Finding:
    workers = evidence.workers
    if failing:
        return _dead(seen, f"log: {failing[-1].summary}")
    if workers.running >= workers.max_workers:
        return _too_few(seen, evidence, f"the subscription {seen.spec.subscription} has no apply worker")
    if seen.publisher_silent:
        return _dead(seen, f"the publisher does not answer: {seen.publisher_silent}")
    return Finding(
        "no-worker",
        seen.spec.subscription,
        "it does not start, or does not stay",
        (
            f"pg_stat_subscription has no worker that lives longer than {format_duration(_STARTUP)}",
            *logged(seen, "other"),
            *retained(seen),
        ),
        "Read the subscriber's log; pg_stat_activity shows the logical replication launcher.",
        database=seen.spec.database,
    )


def _dead(seen: DatabaseSeen, found: str) -> Finding:
    connection = seen.subscription.connection if seen.subscription else ""
    return Finding(
        "dead-connection",
        seen.spec.subscription,
        "the publisher is not reached, does not let the role in, or answers no more",
        (found, f"connection: {connection}", *retained(seen)),
        "See that the Service leads to the publisher, that pg_hba.conf lets the role in and that its password"
        " is the Secret's (12_logical_replication checks all three); the worker tries again by itself.",
        database=seen.spec.database,
    )


def _too_few(seen: DatabaseSeen, evidence: Evidence, found: str) -> Finding:
    workers = evidence.workers
    warned = [i.summary for i in evidence.incidents if i.trouble == "no worker"][-1:]
    return Finding(
        "too-few-workers",
        seen.spec.subscription,
        f"{workers.running} of max_logical_replication_workers = {workers.max_workers} run;"
        f" {workers.subscriptions} subscriptions and their copies need {workers.needed}",
        (found, *(f"log: {text}" for text in warned)),
        f"Raise max_logical_replication_workers to {workers.needed} or more, and max_worker_processes"
        f" ({workers.max_processes} now) above that; both take a restart of the subscriber.",
        database=seen.spec.database,
        remedy_id="workers",
    )


def copy_findings(seen: DatabaseSeen, evidence: Evidence) -> Findings:
    """Tables whose initial copy does not come through: it fails, or no worker takes it up."""
    workers = evidence.workers
    for key in seen.not_ready:
        failing = [i for i in seen.incidents if i.phase == "copy" and concerns(i, key)]
        if failing:
            yield _stalled(seen, key, failing[-1])
    waiting = [key for key, state in seen.states.items() if state == "i"]
    applies = seen.apply is not None and seen.apply.settled
    if waiting and applies and workers.running >= workers.max_workers:
        yield _too_few(seen, evidence, f"{', '.join(map(words, waiting))}: {_STATES['i']} (state i)")


def _stalled(seen: DatabaseSeen, key: Named, incident: Incident) -> Finding:
    state = seen.states[key]
    cause, mend = _STALLS.get(incident.trouble, _REFUSED)
    return Finding(
        "stalled-sync",
        words(key),
        cause,
        (f"log: {incident.summary}", f"state {state}: {_STATES.get(state, state)}", *retained(seen)),
        mend,
        database=seen.spec.database,
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
