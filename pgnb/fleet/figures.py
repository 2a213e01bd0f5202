"""The figures of one run, from its journal: what a fleet's report says of it in numbers and names.

Numbers were written down where they were measured (Journal.figure), checks as tables. Tables and checks are
known by their titles and names, which are the same in every language; no text that was made for a reader is
taken apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pgnb.runbook.verdict import Evidence

DRIFT: Mapping[str, str] = {
    "Replication over the time sampled": "",
    "ConfigMaps and servers": "",
    "Changes are documented": "configuration of ",
}
"""The tables that compare what is there with what was declared (06), recorded (11) or allowed (10), and how
the names of their checks begin that count."""
_SHOWN = 20
_WIDEST = 300


def figures_of(evidence: Evidence) -> dict[str, Any]:
    """Return the figures of a run; what it did not look at is not there.

    lag: of the receiver that is furthest behind: bytes, seconds, name, connected. drift: names of what
    differs. versions: of PostgreSQL. last_backup: ended (None: none was found), source. failed: name, found,
    wanted and remedy of each failed check. stops: the gates at which a plan would stop. changed: what the
    run changed. write_gap: the longest time in which a client could not write, in seconds.
    """
    figures: dict[str, Any] = {}
    measured = evidence.figures
    if lag := _worst_lag(measured.get("lag")):
        figures["lag"] = lag
    if (drift := _drift(evidence.checks)) is not None:
        figures["drift"] = drift
    if versions := sorted({str(one["postgresql"]) for one in evidence.servers if one.get("postgresql")}):
        figures["versions"] = versions
    for name in ("last_backup", "write_gap"):
        if name in measured:
            figures[name] = measured[name]
    for name, found in (
        ("failed", [_failed(item) for item in evidence.failed_checks]),
        ("stops", [_short(stop) for stop in evidence.would_stop]),
        ("changed", [_short(change) for change in evidence.changed]),
    ):
        if found:
            figures[name] = found[:_SHOWN]
    return figures


def _worst_lag(receivers: object) -> dict[str, Any] | None:
    """The receiver that is furthest behind; one that is not connected is behind all others."""
    if not isinstance(receivers, Mapping) or not receivers:
        return None
    name, worst = max(receivers.items(), key=lambda one: _behind(one[1]))
    return {"name": name, **worst}


def _behind(lag: Mapping[str, Any]) -> tuple[bool, float, float]:
    return not lag.get("connected"), lag.get("bytes") or 0, lag.get("seconds") or 0


def _drift(tables: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """Names of what differs, each once; None if the run compared nothing."""
    compared = [table for table in tables if table["title"] in DRIFT]
    if not compared:
        return None
    return list(dict.fromkeys(name for table in compared for name in _differing(table)))


def _differing(table: Mapping[str, Any]) -> Iterator[str]:
    for item in table["items"]:
        if not item["ok"] and str(item["name"]).startswith(DRIFT[table["title"]]):
            yield _short(item["name"])


def _failed(item: Mapping[str, Any]) -> dict[str, str]:
    return {key: _short(item.get(key, "")) for key in ("name", "found", "wanted", "remedy")}


def _short(value: object) -> str:
    text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
