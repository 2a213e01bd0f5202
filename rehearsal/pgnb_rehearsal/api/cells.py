"""Texts of a table's cells: ages, selectors, ports, containers (kubectl's and kube-apiserver's printers)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pgnb_rehearsal.api.objects import Object, lookup

NONE = "<none>"
_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def human_duration(seconds: float) -> str:
    """A duration with the one or two units that matter (apimachinery's HumanDuration)."""
    whole = int(seconds)
    if whole < 0:
        return "<invalid>" if whole < -1 else "0s"
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if whole < 10 * _MINUTE:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < 8 * _HOUR:
        return _two(whole, _HOUR, "h", _MINUTE, "m")
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}h"
    if whole < 8 * _DAY:
        return _two(whole, _DAY, "d", _HOUR, "h")
    if whole < 2 * _YEAR:
        return f"{whole // _DAY}d"
    return _two(whole, _YEAR, "y", _DAY, "d") if whole < 8 * _YEAR else f"{whole // _YEAR}y"


def _two(whole: int, unit: int, name: str, lesser: int, lesser_name: str) -> str:
    rest = whole % unit // lesser
    return f"{whole // unit}{name}" + (f"{rest}{lesser_name}" if rest else "")


def since(timestamp: str | None) -> str:
    """The time since a timestamp, `<unknown>` without one."""
    if not timestamp:
        return "<unknown>"
    return human_duration((datetime.now(UTC) - datetime.fromisoformat(timestamp)).total_seconds())


def between(start: str | None, end: str | None) -> str:
    """The time from start to end; empty without a start, until now without an end."""
    if not start:
        return ""
    if not end:
        return since(start)
    return human_duration((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


def age(obj: Object) -> str:
    """The time since the object was created."""
    return since(lookup(obj, "metadata", "creationTimestamp"))


def labels_text(labels: Mapping[str, str] | None) -> str:
    """`a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector as one line."""
    labels = (selector or {}).get("matchLabels") or {}
    parts = [f"{key}={value}" for key, value in sorted(labels.items())]
    for expression in (selector or {}).get("matchExpressions") or ():
        parts.append(_expression(expression))
    return ",".join(parts) or NONE


def _expression(expression: Mapping[str, Any]) -> str:
    key, operator = expression["key"], expression["operator"]
    if operator == "Exists":
        return str(key)
    if operator == "DoesNotExist":
        return f"!{key}"
    word = "in" if operator == "In" else "notin"
    return f"{key} {word} ({','.join(sorted(expression.get('values') or ()))})"


def containers(obj: Object, field: str) -> str:
    """The names or images of a template's containers."""
    found = lookup(obj, "spec", "template", "spec", "containers") or ()
    return ",".join(container.get(field, "") for container in found)


def modes(values: Iterable[str] | None) -> str:
    """Access modes, abbreviated."""
    return ",".join(_MODES.get(mode, mode) for mode in values or ())


def joined(values: Iterable[str], limit: int = 3) -> str:
    """The first few of many values."""
    found = list(values)
    if not found:
        return NONE
    more = f" + {len(found) - limit} more..." if len(found) > limit else ""
    return ",".join(found[:limit]) + more
