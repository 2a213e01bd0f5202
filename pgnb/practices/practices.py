"""Section 11 as checks: is it monitored, would an alert fire, is failover practised, is it documented."""

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
from pgnb.practices.backups import as_practice
from pgnb.practices.run_history import Past, PastRun, age_of, around, spell_age

_EXPORTERS = ("exporter", "pgwatch", "pmm", "datadog", "newrelic", "pganalyze", "telegraf", "zabbix")
_SHOWN = 5
_SCRAPED = "prometheus.io/scrape"
_DRILL = "09_"
_MONITORING = "10_"


def monitoring_checks(
    servers: Sequence[Server], past: Past, *, max_age_days: float = 7.0, strict: bool = False
) -> Checks:
    """Whether something watches each server, and when these runbooks last did.

    What watches is seen by a container beside the server, the annotation prometheus.io/scrape, or a session
    whose application_name or role speaks of a monitoring tool.
    """
    items = [_watched(server) for server in servers if server.present]
    items.append(_recent("a monitoring run", past.last(_MONITORING), max_age_days, "Run 10_monitoring."))
    return as_practice("Monitoring", items, servers[0], strict=strict)


def alert_checks(primary: Server, limits: Limits, *, standbys: int, strict: bool = False) -> Checks:
    """The alert rules' conditions, asked of the primary now: would one fire?"""
    rows = primary.query("observe/lag_primary")
    streaming = [row for row in rows if row["state"] == "streaming"]
    items = [
        Check("standbys that stream", len(streaming) >= standbys, len(streaming), standbys, _LOOK),
        *(check for row in rows if row["pid"] for check in _lag_checks(row, limits)),
        *(check for row in rows if row["slot_name"] for check in _slot_checks(row, limits)),
    ]
    return as_practice("No alert would fire now", items, primary, strict=strict)


def publication_checks(primary: Server, *, strict: bool = False) -> Checks:
    """Whether the primary takes UPDATE and DELETE of every table that it publishes, whoever made it when.

    A table that was made after its publication has no replica identity unless it has a key.
    Raises QueryFailed.
    """
    names = [row["name"] for row in primary.query("databases")]
    found = [one for name in names for one in published_obstacles(primary, name)]
    words = "; ".join(one.summary for one in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    remedy = " ".join(dict.fromkeys(one.remedy for one in found))
    every = "of every published table"
    item = Check("UPDATE and DELETE are accepted", not found, f"{words}{more}" or every, every, remedy)
    return as_practice("Published tables", [item], primary, strict=strict)


def drill_checks(primary: Server, past: Past, *, max_age_days: float, strict: bool = False) -> Checks:
    """When each path of 09 was last carried out with success, by the records of the folder."""
    items = [
        _recent(f"a {operation} was carried out", _last_drill(past, operation), max_age_days, _PRACTISE)
        for operation in ("switchover", "failover")
    ]
    return as_practice("Failover is practised", items, primary, strict=strict)


def documentation_checks(servers: Sequence[Server], past: Past, *, strict: bool = False) -> Checks:
    """Whether what changed on the servers is in the records: configuration loaded, runs that broke off."""
    known = past.of(*(server.facts.system_identifier for server in servers if server.present))
    items = [_documented(server, known) for server in servers if server.present]
    broken = [run.name for run in known.changing if not run.passed]
    last = known.changing[-1] if known.changing else None
    items.append(
        Check(
            "no change was left half done",
            last is None or last.passed,
            f"{len(broken)} of {len(known.changing)} changing runs did not pass",
            "the last one passed",
            f"Read its record and run it again: {broken[-1]}." if broken else "",
        )
    )
    items.append(
        Check(
            "records can be read",
            not past.unreadable,
            ", ".join(past.unreadable) or "all",
            "all",
            "pgnb records verify says what is wrong with them.",
        )
    )
    return as_practice("Changes are documented", items, servers[0], strict=strict)


def missing_practices(run: Run) -> Table:
    """Sum the checks of this run up: how many practices are missing, and of what kind."""
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
        f"something watches {server.name}",
        bool(signs),
        "; ".join(signs) or "nothing was seen",
        "a monitor",
        "Run postgres_exporter beside it as a role in pg_monitor, and load the alert rules below.",
    )


def _signs_of_pod(server: Server) -> Iterator[str]:
    try:
        pod = server.pod
    except PgnbError:
        # Reached directly, without a pod: only its sessions can tell.
        return
    for container in pod.object["spec"]["containers"]:
        if _speaks_of_monitoring(container["name"], container.get("image", "")):
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
        if _speaks_of_monitoring(*names):
            yield f"session of {names[0]} ({names[1]})"


def _speaks_of_monitoring(*names: str) -> bool:
    return any(word in name.lower() for word in _EXPORTERS for name in names)


def _recent(name: str, run: PastRun | None, max_age_days: float, remedy: str) -> Check:
    recent = run is not None and age_of(run.started) <= timedelta(days=max_age_days)
    found = f"{spell_age(run.started)} by {run.who}" if run else "not in the records"
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


def _last_drill(past: Past, operation: str) -> PastRun | None:
    drills = [run for run in past.changing if run.passed and run.notebook.startswith(_DRILL)]
    runs = [run for run in drills if _operation_of(run) == operation]
    return runs[-1] if runs else None


def _operation_of(run: PastRun) -> object:
    """Return the operation of a run of 09; older records call the parameter `path`."""
    return run.parameters.get("operation", run.parameters.get("path", "switchover"))


def _documented(server: Server, past: Past) -> Check:
    """A configuration that was loaded, other than by the start, lies within a run of the records."""
    state = server.fetch_one("practices/backup_state")
    loaded: datetime = state["configured"]
    at_start = abs(loaded - state["started"]) <= timedelta(seconds=5)
    run = around(loaded, past.changing)
    why = "at its start" if at_start else f"by {run.name}" if run else "in no run of the records"
    return Check(
        f"configuration of {server.name}",
        at_start or run is not None,
        f"loaded {spell_age(loaded)}, {why}",
        "loaded at the start or by a recorded run",
        "Somebody reloaded it by hand: compare it with the ConfigMap (06_online_changes), and change it by a"
        " notebook next time.",
    )


_LOOK = "08_troubleshooting looks for the cause."
_SLOTS = "07_replication_slots shows for whom it is and how long the disk lasts."
_PRACTISE = (
    "Practise it: pgnb rehearse failover, or 09_failover on a test system, with the same records folder."
)
