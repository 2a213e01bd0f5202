"""Diagnose logical replication: rules that examine one database on both servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pgnb.core.display import format_bytes
from pgnb.core.findings import Diagnosis, Finding
from pgnb.diagnosis.logical.apply_rules import apply_findings, copy_findings
from pgnb.diagnosis.logical.observation import DatabaseObservation, Evidence, collect
from pgnb.diagnosis.logical.rule_helpers import (
    MISSING_TABLE,
    Findings,
    is_still_active,
    last_logged,
    retained_wal,
    table_text,
)
from pgnb.logical.names import temporary_publication_name
from pgnb.logical.schema_diff import REPLICA_IDENTITY
from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import Server

PATIENCE = 8.0
"""Seconds. A worker that ended is started again within wal_retrieve_retry_interval, 5 s by default."""


def diagnose_logical(
    publisher: Server,
    subscriber: Server,
    specs: Sequence[DatabaseSpec],
    *,
    log_lines: int = 2000,
    patience: float = PATIENCE,
    show_rows: bool = False,
) -> Diagnosis:
    """Diagnose the replication of these databases, worst finding first; changes nothing.

    Reads the catalogs and statistics of both servers and the last `log_lines` lines of the subscriber's log.
    `patience`: seconds to wait for a missing apply worker to appear and stay; there is no wait if all workers
    run. Values of rows are shown only with `show_rows`. Raises ConnectionFailed and QueryFailed of the
    subscriber; a publisher that does not answer is a finding.
    """
    databases = [spec.database for spec in specs]
    if not subscriber.present:
        return Diagnosis((), databases=tuple(databases))
    evidence = collect(publisher, subscriber, specs, lines=log_lines, patience=patience, show_rows=show_rows)
    return Diagnosis.of(_findings(evidence), databases=databases)


def _findings(evidence: Evidence) -> Iterator[Finding]:
    for observed in evidence.databases:
        yield from database_findings(observed, evidence)
    if evidence.log_error and evidence.databases:
        yield Finding(
            "log-not-read",
            "the log",
            "conflicts are only in the log, so they may be missing here",
            (evidence.log_error,),
            "Grant this user pods/log, and the login pg_read_server_files if the logging collector is on.",
            database=evidence.databases[0].spec.database,
        )


def database_findings(observed: DatabaseObservation, evidence: Evidence) -> Findings:
    """Report what is wrong in one database; consequences of a worse finding are left out."""
    if (first := _absent(observed)) is not None:
        yield first
        return
    if (lost := _lost_slot(observed)) is not None:
        yield lost
    elif (disabled := _disabled(observed)) is not None:
        yield disabled
    else:
        yield from apply_findings(observed, evidence)
        yield from copy_findings(observed, evidence)
    for rule in _ALWAYS:
        yield from rule(observed)


def _absent(observed: DatabaseObservation) -> Finding | None:
    spec = observed.spec
    if observed.missing:
        return Finding(
            "no-database",
            spec.database,
            "it was never created there, or was dropped",
            ("pg_database of the subscriber has no such name",),
            "12_08_add_database creates it.",
            database=spec.database,
        )
    if observed.subscription is None:
        return Finding(
            "no-subscription",
            spec.subscription,
            "it was never created, or was dropped",
            ("pg_subscription of the subscriber has no such name for this database",),
            "12_00_logical_replication (section 12.4) creates it.",
            database=spec.database,
        )
    if observed.publication is None and not observed.publisher_error:
        return Finding(
            "no-publication",
            spec.publication,
            "it was dropped while a subscription used it, or was never created",
            ("pg_publication of the publisher has no such name",),
            "12_00_logical_replication (section 12.4) creates it again. Rows written meanwhile may be"
            " missing: compare the counts, and recreate the subscription if they differ.",
            database=spec.database,
            remedy_id="recreate",
        )
    return None


def _lost_slot(observed: DatabaseObservation) -> Finding | None:
    subscription = observed.subscription
    if subscription is None or observed.publisher_error:
        return None
    slot = observed.slot
    if subscription.slot is not None and slot is not None and not slot.lost:
        return None
    if subscription.slot is None:
        found, cause = "slot_name = NONE", "SET (slot_name = NONE) removed it from the subscription"
    elif slot is None:
        found = f"no logical slot {subscription.slot} on the publisher"
        cause = "it was dropped, or the publisher failed over without it"
    else:
        reason = slot.invalidation_reason or "its WAL was removed"
        found, cause = f"wal_status = {slot.wal_status}", f"the publisher invalidated it: {reason}"
    return Finding(
        "lost-slot",
        subscription.slot or subscription.name,
        cause,
        (found, *last_logged(observed, "no slot", "connection")),
        "Its changes cannot be recovered. Recreate the subscription with a new copy of its tables.",
        database=observed.spec.database,
        remedy_id="recreate",
    )


def _disabled(observed: DatabaseObservation) -> Finding | None:
    subscription = observed.subscription
    if subscription is None or subscription.enabled:
        return None
    error = next((i for i in reversed(observed.worker_errors) if is_still_active(observed, i)), None)
    by_itself = bool(subscription.disable_on_error) and error is not None
    cause = "an error disabled it (disable_on_error)" if by_itself else "somebody disabled it"
    after = (
        "First correct what the log says, or skip that transaction; then enable it."
        if by_itself
        else "Enable it."
    )
    return Finding(
        "disabled",
        subscription.name,
        cause,
        ("subenabled = false", *((error.summary,) if error else ()), *retained_wal(observed)),
        f"{after} Meanwhile the slot retains WAL on the publisher.",
        database=observed.spec.database,
        remedy_id="enable",
        lsn=error.lsn if error else None,
    )


def _not_refreshed(observed: DatabaseObservation) -> Findings:
    lacking = {d.table for d in observed.differences if d.what == "missing table"}
    for key in sorted(observed.published - observed.states.keys()):
        short = key[1] if key[0] == "public" else table_text(key)
        if short in lacking:
            yield Finding(
                "missing-table",
                table_text(key),
                MISSING_TABLE[0],
                ("published, but not in the subscriber's catalog",),
                MISSING_TABLE[1],
                database=observed.spec.database,
            )
        elif _resync_unfinished(observed):
            yield Finding(
                "resync-unfinished",
                table_text(key),
                "the run that removed it from the subscription, to copy it again, did not finish",
                (
                    f"the subscription reads {temporary_publication_name(observed.spec.publication)},"
                    " which lacks this table",
                ),
                "Resync that table again: it continues from here. A REFRESH would not add it again.",
                database=observed.spec.database,
                remedy_id="resync",
            )
        else:
            yield Finding(
                "not-refreshed",
                table_text(key),
                "it was published after the subscription's last REFRESH; its rows are skipped without an"
                " error",
                ("published, and present on both servers, but not in pg_subscription_rel",),
                "ALTER SUBSCRIPTION ... REFRESH PUBLICATION, which copies its rows.",
                database=observed.spec.database,
                remedy_id="refresh",
            )


def _resync_unfinished(observed: DatabaseObservation) -> bool:
    """Return whether the subscription still reads the temporary publication of an unfinished resync."""
    now = observed.subscription
    return now is not None and temporary_publication_name(observed.spec.publication) in now.publications


def _schema(observed: DatabaseObservation) -> Findings:
    apart = ("missing table", REPLICA_IDENTITY)
    wrong = [d for d in observed.differences if d.effect != "later" and d.what not in apart]
    if wrong:
        lines = tuple(f"{d.table}: {d.what}: {d.publisher} / {d.subscriber}" for d in wrong)
        yield Finding(
            "schema-differs",
            ", ".join(dict.fromkeys(d.table for d in wrong)),
            "all or some rows of these tables cannot arrive",
            lines,
            "Alter the subscriber's tables; logical replication does not replicate DDL.",
            database=observed.spec.database,
        )


def _obstacles(observed: DatabaseObservation) -> Findings:
    """Report, before the first UPDATE, what the publisher or the apply worker would refuse."""
    for one in observed.obstacles:
        cause, remedy = _OBSTACLES[one.kind]
        yield Finding(
            one.kind,
            one.table,
            cause,
            (one.found,),
            one.remedy,
            database=observed.spec.database,
            remedy_id=remedy,
        )


_OBSTACLES = {
    "unidentified-table": ("it is published without a replica identity", ""),
    "outside-identity": ("what is published of it does not include its replica identity", ""),
    "cannot-arrive": ("the subscriber's key is not among the columns that the publisher sends", "identity"),
}


def _slot_at_risk(observed: DatabaseObservation) -> Findings:
    slot = observed.slot
    if slot and slot.wal_status == "unreserved":
        yield Finding(
            "slot-at-risk",
            slot.name,
            "it retains more than max_slot_wal_keep_size: the next checkpoint removes its WAL",
            (f"wal_status = unreserved, {format_bytes(slot.retained_bytes)} retained",),
            "Raise max_slot_wal_keep_size on the publisher now (06_online_changes), then correct what"
            " stops the apply worker.",
            database=observed.spec.database,
        )


def _missing_rows(observed: DatabaseObservation) -> Findings:
    for worker_error in observed.worker_errors:
        if worker_error.category == "missing row":
            yield Finding(
                "missing-rows",
                worker_error.table,
                "an UPDATE or DELETE found no row on the subscriber, and was skipped",
                (worker_error.summary,),
                "Compare the counts; resync that table if they differ.",
                database=observed.spec.database,
                remedy_id="resync",
            )


_ALWAYS: tuple[Callable[[DatabaseObservation], Findings], ...] = (
    _not_refreshed,
    _schema,
    _obstacles,
    _slot_at_risk,
    _missing_rows,
)
