"""Alert rules for Prometheus, with the limits of the plots and checks, on postgres_exporter's metrics.

The metrics are those of postgres_exporter since 0.16; where 0.20 renamed one, a rule uses both names. The
primary and each standby need an exporter with its default collectors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pgnb.cluster import Cluster
from pgnb.core.display import Displayable, Table, format_bytes, format_duration
from pgnb.core.errors import ParameterError
from pgnb.core.journal import Journal
from pgnb.core.plan import Change, Step
from pgnb.observe.limits import Limits

FILE = "alerts.yaml"
"""The name that the rules have in a record's folder."""
_HEADER = "# Replication alerts for Prometheus (rule_files); metrics of postgres_exporter.\n"
_MATCHERS = re.compile(r'[a-zA-Z_]\w*(=|!=|=~|!~)"[^"\\]*"(,\s*[a-zA-Z_]\w*(=|!=|=~|!~)"[^"\\]*")*')
_SLACK = 16384
"""Bytes: a standby that lacks less is not behind, however old its last transaction is."""


@dataclass(frozen=True)
class Alert:
    """One alerting rule: it fires when `expr` has held for `wait`."""

    name: str
    expr: str
    wait: str
    severity: str
    summary: str
    runbook: str

    @property
    def rule(self) -> dict[str, Any]:
        """The rule in Prometheus' form."""
        notes = {"summary": self.summary, "runbook": f"notebooks/{self.runbook}.ipynb"}
        labels = {"severity": self.severity}
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.wait,
            "labels": labels,
            "annotations": notes,
        }


@dataclass(frozen=True, repr=False)
class AlertRules(Displayable):
    """The rules of one primary and its standbys."""

    alerts: tuple[Alert, ...]
    journal: Journal = field(default_factory=Journal, repr=False, compare=False)

    @property
    def yaml(self) -> str:
        """The rules as a file for Prometheus."""
        groups = [{"name": "postgresql-replication", "rules": [alert.rule for alert in self.alerts]}]
        return _HEADER + yaml.safe_dump({"groups": groups}, sort_keys=False, width=1000)

    def plan_write(self, path: str = "") -> Change:
        """Plan to write the rules to a file; empty without a path."""
        if not path:
            kept = f"{FILE} beside the record holds them; " if self.journal.path else ""
            return Change("alert rules", self.journal, note=f"{kept}set rules_file to write them to a file.")
        target = Path(path).expanduser()
        before, after = _text_of(target), self.yaml
        if before == after:
            return Change("alert rules", self.journal, note=f"{target} already holds these rules.")
        step = Step(str(target), f"write {len(self.alerts)} alert rules", lambda: _write(target, after))
        return Change(
            "alert rules",
            self.journal,
            before,
            after,
            [step],
            undo_text="restore the previous file",
            undo=lambda: _plan_back(target, before, after, self.journal),
        )

    @property
    def table(self) -> Table:
        """One line for each alert: when it fires, how severe it is, which notebook to open."""
        rows = [(a.name, a.expr, a.wait, a.severity, a.runbook) for a in self.alerts]
        return Table.of(("alert", "fires when", "for", "severity", "then"), rows, title="Alert rules")


def alert_rules(
    cluster: Cluster, limits: Limits, *, standbys: int, matchers: str = "", archiving: bool = True
) -> AlertRules:
    """Return the rules for one primary with so many standbys, and keep them beside the run's record.

    `matchers` are the labels of this system's exporters in Prometheus; they keep two systems apart. Without
    any, the namespace is used. `archiving`: whether WAL is archived. Raises ParameterError for matchers that
    PromQL does not accept.
    """
    labels = matchers or f'namespace="{cluster.namespace}"'
    if not _MATCHERS.fullmatch(labels):
        raise ParameterError(
            "alert_matchers is not a list of label matchers",
            found=labels,
            remedy='For example namespace="databases".',
        )
    items = [*_of_servers(labels, standbys), *_of_lag(labels, limits), *_of_slots(labels, limits)]
    items += [_of_archive(labels)] if archiving else []
    rules = AlertRules(tuple(items), cluster.journal)
    if cluster.journal.path is not None:
        _write(cluster.journal.path.parent / FILE, rules.yaml)
    return rules


def _of_servers(labels: str, standbys: int) -> Iterator[Alert]:
    yield Alert(
        "PostgresDown",
        f"pg_up{{{labels}}} == 0",
        "1m",
        "critical",
        "The exporter at {{ $labels.instance }} does not reach its PostgreSQL server.",
        "08_troubleshooting",
    )
    primaries = f"count(pg_replication_is_replica{{{labels}}} == 0)"
    yield Alert(
        "PostgresTwoPrimaries",
        f"{primaries} > 1",
        "0m",
        "critical",
        "{{ $value }} servers accept writes: fence all but one of them now.",
        "09_failover",
    )
    yield Alert(
        "PostgresNoPrimary",
        f"absent(pg_replication_is_replica{{{labels}}} == 0)",
        "1m",
        "critical",
        "No server accepts writes.",
        "09_failover",
    )
    if standbys:
        connected = _with(labels, 'state="streaming"')
        streaming = f"pg_stat_replication_pg_wal_lsn_diff{{{connected}}}"
        yield Alert(
            "PostgresStandbyMissing",
            f"(count({streaming}) or vector(0)) < {standbys}",
            "2m",
            "critical",
            f"{{{{ $value }}}} of {standbys} standbys stream from the primary.",
            "08_troubleshooting",
        )


def _of_lag(labels: str, limits: Limits) -> Iterator[Alert]:
    behind = f"pg_stat_replication_pg_wal_lsn_diff{{{labels}}}"
    yield Alert(
        "PostgresStandbyBehindBytes",
        f"{behind} > {limits.lag_bytes}",
        "2m",
        "warning",
        f"{{{{ $labels.application_name }}}} has not replayed {{{{ $value | humanize1024 }}}}B of WAL"
        f" (limit {format_bytes(limits.lag_bytes)}).",
        "10_monitoring",
    )
    # On an idle system the age of the last transaction grows, too: it counts only while WAL is missing.
    yield Alert(
        "PostgresStandbyBehindSeconds",
        f"(pg_replication_lag_seconds{{{labels}}} > {limits.lag_seconds:g})"
        f" and on() (max({behind}) > {_SLACK})",
        "1m",
        "warning",
        f"{{{{ $labels.instance }}}} is {{{{ $value | humanizeDuration }}}} behind"
        f" (limit {format_duration(limits.lag_seconds)}).",
        "10_monitoring",
    )
    yield Alert(
        "PostgresStandbyCancelsQueries",
        f"sum by (instance) (increase(pg_stat_database_conflicts{{{labels}}}[15m])) > 10",
        "0m",
        "warning",
        "Recovery cancelled {{ $value }} queries on {{ $labels.instance }} in 15 minutes.",
        "10_monitoring",
    )


def _of_slots(labels: str, limits: Limits) -> Iterator[Alert]:
    yield Alert(
        "PostgresSlotInactive",
        f"pg_replication_slots_active{{{labels}}} == 0",
        "5m",
        "warning",
        "No consumer reads from the slot {{ $labels.slot_name }}; it keeps all new WAL.",
        "07_replication_slots",
    )
    yield Alert(
        "PostgresSlotKeepsMuch",
        f"pg_replication_slots_pg_wal_lsn_diff{{{labels}}} > {limits.retained_bytes}",
        "5m",
        "warning",
        f"The slot {{{{ $labels.slot_name }}}} keeps {{{{ $value | humanize1024 }}}}B of WAL"
        f" (limit {format_bytes(limits.retained_bytes)}).",
        "07_replication_slots",
    )
    unsafe = _with(labels, 'wal_status=~"unreserved|lost"')
    yield Alert(
        "PostgresSlotUnsafe",
        f"(pg_replication_slot_wal_status{{{unsafe}}} or pg_replication_slots_wal_status{{{unsafe}}}) == 1",
        "0m",
        "critical",
        "The slot {{ $labels.slot_name }} is {{ $labels.wal_status }}: its standby will need a base backup.",
        "07_replication_slots",
    )


def _of_archive(labels: str) -> Alert:
    return Alert(
        "PostgresArchivingFails",
        f"increase(pg_stat_archiver_failed_count{{{labels}}}[15m]) > 0",
        "5m",
        "critical",
        "archive_command fails on {{ $labels.instance }}; WAL accumulates.",
        "11_practices",
    )


def _with(labels: str, more: str) -> str:
    return f"{labels},{more}" if labels else more


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, error) from error


def _plan_back(path: Path, before: str, after: str, journal: Journal) -> Change:
    """Plan to restore the file; a file that did not exist is removed."""
    step = Step(str(path), "restore the previous rules", lambda: _write(path, before))
    if not before:
        step = Step(str(path), "remove the file", lambda: _remove(path))
    return Change("previous alert rules", journal, after, before, [step])


def _remove(path: Path) -> str:
    path.unlink(missing_ok=True)
    return "removed"


def _write(path: Path, text: str) -> str:
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise _unusable(path, error) from error
    return "written"


def _unusable(path: Path, error: Exception) -> ParameterError:
    return ParameterError(
        f"{path} cannot hold the alert rules",
        found=str(error),
        remedy="Set rules_file to a file in an existing folder.",
    )
