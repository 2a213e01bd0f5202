"""What differs between two runs of the same notebook on the same target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pgnb.core.display import format_bytes, format_duration
from pgnb.fleet.entry import Entry

_NOTICEABLE_BYTES = 1 << 20
_NOTICEABLE_SECONDS = 1.0
_FACTOR = 2.0
_OF_A_SERVER = ("system_identifier", "timeline", "postgresql")


@dataclass(frozen=True)
class Difference:
    """One thing that changed, from which values to which; `kind` names it, as in the report's texts."""

    kind: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def differences(before: Entry, after: Entry) -> tuple[Difference, ...]:
    """Return what changed from one run to a later one: verdict, checks, figures, servers, timeline."""
    return tuple(one for one in _all(before, after) if one.before != one.after)


def _all(before: Entry, after: Entry) -> Iterator[Difference]:
    then, now = before.figures, after.figures
    yield Difference("verdict", (before.verdict,), (after.verdict,))
    yield from _names("failed checks", _failed(then), _failed(now))
    if "drift" in then and "drift" in now:
        yield from _names("drift", then["drift"], now["drift"])
    yield from _servers(before.servers, after.servers)
    if "lag" in then and "lag" in now and _is_noticeable(then["lag"], now["lag"]):
        yield Difference("lag", (lag_text(then["lag"]),), (lag_text(now["lag"]),))
    if "last_backup" in then and "last_backup" in now and not now["last_backup"].get("ended"):
        ended = then["last_backup"].get("ended")
        yield Difference("backup", (_moment(ended) if ended else "none",), ("none",))


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M %Z}"


def _failed(figures: Mapping[str, Any]) -> list[str]:
    return [str(one["name"]) for one in figures.get("failed", ())]


def _names(kind: str, before: Iterable[str], after: Iterable[str]) -> Iterator[Difference]:
    """What came and what went; names that are on both sides are no difference."""
    then, now = dict.fromkeys(before), dict.fromkeys(after)
    gone = tuple(name for name in then if name not in now)
    yield Difference(kind, gone, tuple(name for name in now if name not in then))


def _servers(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> Iterator[Difference]:
    """What the servers are, and how many of each role; a pod of another name is none."""
    then, now = list(before), list(after)
    if not then or not now:
        return
    for name in _OF_A_SERVER:
        yield Difference(name, _values(then, name), _values(now, name))
    yield Difference("servers", _roles(then), _roles(now))


def _values(servers: Iterable[Mapping[str, Any]], name: str) -> tuple[str, ...]:
    return tuple(sorted({str(one.get(name)) for one in servers if one.get(name)}))


def _roles(servers: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    roles = [str(one.get("role") or "server") for one in servers]
    return tuple(f"{roles.count(role)} {role}" for role in sorted(set(roles)))


def _is_noticeable(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether the lag is another one: connected or not, or twice as much or half, beyond what is noise."""
    if bool(then.get("connected")) != bool(now.get("connected")):
        return True
    return any(
        max(a, b) > least and max(a, b) >= _FACTOR * min(a, b)
        for name, least in (("bytes", _NOTICEABLE_BYTES), ("seconds", _NOTICEABLE_SECONDS))
        for a, b in [(then.get(name) or 0, now.get(name) or 0)]
    )


def lag_text(lag: Mapping[str, Any]) -> str:
    """Return a lag in a reader's units."""
    if not lag.get("connected"):
        return "not connected"
    size, seconds = lag.get("bytes"), lag.get("seconds")
    return format_bytes(size) + (f", {format_duration(seconds)}" if seconds is not None else "")
