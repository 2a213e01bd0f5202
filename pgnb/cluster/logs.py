"""Read a container's log, always with a limit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pgnb.cluster.client import Api
from pgnb.cluster.pods import Pod
from pgnb.cluster.resources import resource
from pgnb.core.errors import Rejected

LIMIT = 4 * 1024 * 1024
"""Bytes that one call returns at most, by default."""
_TIMEOUT = 30.0


@dataclass(frozen=True)
class LogLine:
    """One line; `at` is the node's time stamp (None if time stamps were not requested)."""

    text: str
    at: datetime | None = None

    def __str__(self) -> str:
        return self.text


def read_log(
    api: Api,
    pod: Pod,
    *,
    tail: int | None = None,
    since: timedelta | None = None,
    since_time: datetime | None = None,
    previous: bool = False,
    timestamps: bool = False,
    limit_bytes: int = LIMIT,
) -> list[LogLine]:
    """Return the last lines of a container's log. See `Cluster.logs`."""
    query: dict[str, str | int | bool] = {"container": pod.container, "limitBytes": limit_bytes}
    query |= {"previous": True} if previous else {}
    query |= {"timestamps": True} if timestamps else {}
    query |= {"tailLines": tail} if tail is not None else {}
    query |= {"sinceSeconds": max(1, round(since.total_seconds()))} if since else {}
    query |= {"sinceTime": since_time.strftime("%Y-%m-%dT%H:%M:%SZ")} if since_time else {}
    path = resource("pods").path(api.namespace, pod.name, "log")
    try:
        data = api.read("GET", path, query=query, timeout=_TIMEOUT)
    except Rejected as error:
        if previous and "not found" in error.message:
            return []  # The container has not been restarted: there is no previous log.
        raise
    return [_line(text, timestamps) for text in data.decode("utf-8", "replace").splitlines()]


def _line(text: str, stamped: bool) -> LogLine:
    stamp, _, rest = text.partition(" ")
    if not stamped:
        return LogLine(text)
    try:
        return LogLine(rest, datetime.fromisoformat(_microseconds(stamp)))
    except ValueError:
        return LogLine(text)  # A line that limitBytes cut off in its time stamp.


def _microseconds(stamp: str) -> str:
    """Return RFC 3339 with nanoseconds, as the kubelet writes it, cut to microseconds for Python."""
    head, dot, tail = stamp.partition(".")
    digits = tail.rstrip("Z")
    return f"{head}{dot}{digits[:6]}+00:00" if dot and tail.endswith("Z") else stamp
