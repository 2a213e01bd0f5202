"""The diagnosis of logical replication, in one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgnb.core.findings import Diagnosis, Finding
from pgnb.diagnosis.logical.observation import Evidence, collect
from pgnb.diagnosis.logical.rules import database_findings
from pgnb.logical.specs import DatabaseSpec
from pgnb.postgres import Server

PATIENCE = 8.0
"""Seconds: a worker that died is started again within wal_retrieve_retry_interval, 5 s by default."""


def diagnose_logical(
    publisher: Server,
    subscriber: Server,
    specs: Sequence[DatabaseSpec],
    *,
    log_lines: int = 2000,
    patience: float = PATIENCE,
    show_rows: bool = False,
) -> Diagnosis:
    """What is wrong with the replication of these databases, the worst first; changes nothing.

    Rests on the catalogs and statistics of both sides and on the last `log_lines` lines of the subscriber's
    log. `patience`: seconds that a missing apply worker gets to appear and stay; nothing is waited for where
    all workers run. Values of rows are told with `show_rows` alone.
    Raises ConnectionFailed and QueryFailed of the subscriber; a publisher that does not
    answer is a finding.
    """
    databases = [spec.database for spec in specs]
    if not subscriber.present:
        return Diagnosis((), databases=tuple(databases))
    evidence = collect(publisher, subscriber, specs, lines=log_lines, patience=patience, show_rows=show_rows)
    return Diagnosis.of(_findings(evidence), databases=databases)


def _findings(evidence: Evidence) -> Iterator[Finding]:
    for observed in evidence.databases:
        yield from database_findings(observed, evidence)
    if evidence.log_refused and evidence.databases:
        yield Finding(
            "log-not-read",
            "the log",
            "conflicts are told by the log alone, so they may be missing here",
            (evidence.log_refused,),
            "Give the login pods/log, and pg_read_server_files where the logging collector is on.",
            database=evidence.databases[0].spec.database,
        )
