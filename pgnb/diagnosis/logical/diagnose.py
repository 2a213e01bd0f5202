"""Diagnose logical replication with one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgnb.core.findings import Diagnosis, Finding
from pgnb.diagnosis.logical.observation import Evidence, collect
from pgnb.diagnosis.logical.rules import database_findings
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
    if evidence.log_refused and evidence.databases:
        yield Finding(
            "log-not-read",
            "the log",
            "conflicts are only in the log, so they may be missing here",
            (evidence.log_refused,),
            "Grant this user pods/log, and the login pg_read_server_files if the logging collector is on.",
            database=evidence.databases[0].spec.database,
        )
