"""Section 11 as checks: monitoring, alerts, published tables, failover drills, documentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Table, format_bytes, format_duration
from pgnb.core.errors import PgnbError
from pgnb.core.evidence import Run
from pgnb.logical.updates import published_obstacles
from pgnb.observe.limits import Limits
from pgnb.postgres import Server
from pgnb.practices.backups import advisory
from pgnb.practices.run_history import RecordedRun, RunHistory, age_of, format_age, run_at

_EXPORTERS = ("exporter", "pgwatch", "pmm", "datadog", "newrelic", "pganalyze", "telegraf", "zabbix")
_SHOWN = 5
_SCRAPED = "prometheus.io/scrape"
_DRILL = "09_"
_MONITORING = "10_"


def monitoring_checks(
    servers: Sequence[Server], history: RunHistory, *, max_age_days: float = 7.0, strict: bool = False
) -> Checks:
    """Check that each server is monitored, and when 10_monitoring last ran.

    Signs of monitoring are a container beside the server, the annotation prometheus.io/scrape, or a session
    whose application_name or role suggests a monitoring tool.
    """
    items = [_watched(server) for server in servers if server.present]
    items.append(_recent("a monitoring run", history.last(_MONITORING), max_age_days, "Run 10_monitoring."))
    return advisory("Monitoring", items, servers[0], strict=strict)


def alert_checks(primary: Server, limits: Limits, *, standbys: int, strict: bool = False) -> Checks:
    """Check on the primary whether an alert rule would fire now."""
    rows = primary.query("observe/lag_primary")
    streaming = [row for row in rows if row["state"] == "streaming"]
    items = [
        Check("standbys that stream", len(streaming) >= standbys, len(streaming), standbys, _LOOK),
        *(check for row in rows if row["pid"] for check in _lag_checks(row, limits)),
        *(check for row in rows if row["slot_name"] for check in _slot_checks(row, limits)),
    ]
    return advisory("No alert would fire now", items, primary, strict=strict)


def publication_checks(primary: Server, *, strict: bool = False) -> Checks:
    """Check that the primary accepts UPDATE and DELETE of every published table.

    A table that was created after its publication has a replica identity only if it has a primary key. Raises
    QueryFailed.
    """
    names = [row["name"] for row in primary.query("databases")]
    found = [one for name in names for one in published_obstacles(primary, name)]
    words = "; ".join(one.summary for one in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    remedy = " ".join(dict.fromkeys(one.remedy for one in found))
    every = "of every published table"
    item = Check("UPDATE and DELETE are accepted", not found, f"{words}{more}" or every, every, remedy)
    return advisory("Published tables", [item], primary, strict=strict)


def drill_checks(
    primary: Server, history: RunHistory, *, max_age_days: float, strict: bool = False
) -> Checks:
    """Check when a switchover and a failover by 09 last passed, according to the records."""
    items = [
        _recent(f"a {operation} was carried out", _last_drill(history, operation), max_age_days, _PRACTISE)
        for operation in ("switchover", "failover")
    ]
    return advisory("Failover is practised", items, primary, strict=strict)


def documentation_checks(servers: Sequence[Server], history: RunHistory, *, strict: bool = False) -> Checks:
    """Check that changes of the servers are in the records, and that the last change is complete."""
    known = history.of(*(server.facts.system_identifier for server in servers if server.present))
    items = [_documented(server, known) for server in servers if server.present]
    broken = [run.name for run in known.changing if not run.passed]
    last = known.changing[-1] if known.changing else None
    items.append(
        Check(
            "the last change is complete",
            last is None or last.passed,
            f"{len(broken)} of {len(known.changing)} changing runs did not pass",
            "the last one passed",
            f"Read the record {broken[-1]}, and run that notebook again." if broken else "",
        )
    )
    items.append(
        Check(
            "records can be read",
            not history.unreadable,
            ", ".join(history.unreadable) or "all",
            "all",
            "pgnb records verify says why.",
        )
    )
    return advisory("Changes are documented", items, servers[0], strict=strict)


def missing_practices(run: Run) -> Table:
    """Count the missing practices in this run's checks."""
    kept = [(one.title, one.passed, one.total) for one in run.journal.checked if one.stage == "verify"]
    missing, asked = sum(total - passed for _, passed, total in kept), sum(total for _, _, total in kept)
    title = f"{missing} of {asked} practices {'is' if missing == 1 else 'are'} missing"
    rows = [
        (name, Cell(f"{total - passed} of {total}", "warn" if passed < total else "good"))
        for name, passed, total in kept
    ]
    return Table.of(
        ("practice", "missing"), rows, title=title if missing else f"No practice of {asked} is missing"
    )


def _watched(server: Server) -> Check:
    signs = [*_signs_of_pod(server), *_signs_of_sessions(server)]
    return Check(
        f"{server.name} is monitored",
        bool(signs),
        "; ".join(signs) or "no sign",
        "a monitoring tool",
        "Run postgres_exporter beside it, with a role in pg_monitor, and load the alert rules below.",
    )


def _signs_of_pod(server: Server) -> Iterator[str]:
    try:
        pod = server.pod
    except PgnbError:
        return  # A server that is reached directly has no pod.
    for container in pod.object["spec"]["containers"]:
        if _suggests_monitoring(container["name"], container.get("image", "")):
            yield f"container {container['name']}"
    annotations = pod.object["metadata"].get("annotations") or {}
    if annotations.get(_SCRAPED) == "true":
        yield f"annotation {_SCRAPED}"


def _signs_of_sessions(server: Server) -> Iterator[str]:
    rows = server.query(
        "SELECT DISTINCT usename, application_name FROM pg_catalog.pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()"
    )
    for row in rows:
        names = (row["usename"] or "", row["application_name"] or "")
        if _suggests_monitoring(*names):
            yield f"session of {names[0]} ({names[1]})"


def _suggests_monitoring(*names: str) -> bool:
    return any(word in name.lower() for word in _EXPORTERS for name in names)


def _recent(name: str, run: RecordedRun | None, max_age_days: float, remedy: str) -> Check:
    recent = run is not None and age_of(run.started) <= timedelta(days=max_age_days)
    found = f"{format_age(run.started)} by {run.who}" if run else "not in the records"
    return Check(name, recent, found, f"within {max_age_days:g} days", remedy)


def _lag_checks(row: dict[str, object], limits: Limits) -> Iterator[Check]:
    name, behind, seconds = row["application_name"], row["replay"], row["replay_seconds"]
    if isinstance(behind, int):
        yield Check(
            f"{name}: WAL behind",
            behind <= limits.lag_bytes,
            format_bytes(behind),
            f"at most {format_bytes(limits.lag_bytes)}",
            _LOOK,
        )
    late = seconds if isinstance(seconds, float) else 0.0
    yield Check(
        f"{name}: replay_lag",
        late <= limits.lag_seconds,
        "idle" if seconds is None else format_duration(late),
        f"at most {format_duration(limits.lag_seconds)}",
        _LOOK,
    )


def _slot_checks(row: dict[str, object], limits: Limits) -> Iterator[Check]:
    name, retained, status = row["slot_name"], row["retained"], row["wal_status"]
    yield Check(f"slot {name}: in use", bool(row["active"]), "yes" if row["active"] else "no", "yes", _SLOTS)
    if isinstance(retained, int):
        yield Check(
            f"slot {name}: kept",
            retained <= limits.retained_bytes,
            format_bytes(retained),
            f"at most {format_bytes(limits.retained_bytes)}",
            _SLOTS,
        )
    yield Check(
        f"slot {name}: wal_status",
        status not in ("unreserved", "lost"),
        status,
        "reserved or extended",
        _SLOTS,
    )


def _last_drill(history: RunHistory, operation: str) -> RecordedRun | None:
    drills = [run for run in history.changing if run.passed and run.notebook.startswith(_DRILL)]
    runs = [run for run in drills if _operation_of(run) == operation]
    return runs[-1] if runs else None


def _operation_of(run: RecordedRun) -> object:
    """Return the operation of a run of 09; older records call the parameter `path`."""
    return run.parameters.get("operation", run.parameters.get("path", "switchover"))


def _documented(server: Server, history: RunHistory) -> Check:
    """Check that the configuration was last loaded at the server's start or by a recorded run."""
    state = server.fetch_one("practices/backup_state")
    loaded: datetime = state["configured"]
    at_start = abs(loaded - state["started"]) <= timedelta(seconds=5)
    run = run_at(loaded, history.changing)
    why = "at its start" if at_start else f"by {run.name}" if run else "by no recorded run"
    return Check(
        f"configuration of {server.name}",
        at_start or run is not None,
        f"loaded {format_age(loaded)}, {why}",
        "loaded at the start or by a recorded run",
        "It was reloaded by hand: compare it with the ConfigMap (06_online_changes), and use a notebook"
        " for the"
        " next change.",
    )


_LOOK = "Run 08_troubleshooting to find the cause."
_SLOTS = "07_replication_slots shows its consumer, and how long the disk space lasts."
_PRACTISE = "Run pgnb rehearse failover, or 09_failover on a test system, with the same folder of records."
