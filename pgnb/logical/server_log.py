"""The server's log as reports: a message with detail, hint and context, for any log_line_prefix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pgnb.cluster.logs import LogLine
from pgnb.postgres import Server
from pgnb.postgres.logs import collected_log

_LEVELS = "LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC"
_PARTS = "DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LOCATION"
_LINE = re.compile(rf"(?P<prefix>.*?)\b(?P<word>{_LEVELS}|{_PARTS}):  (?P<text>.*)\Z")
_PID = re.compile(r"\[(\d+)\]")
_KEPT = ("DETAIL", "HINT", "CONTEXT")


@dataclass(frozen=True)
class Report:
    """One report of the server; `at`: when the node took it (None: from a collected file).

    `pid` is the process, if log_line_prefix has `[%p]`, as its default does.
    """

    level: str
    message: str
    at: datetime | None = None
    pid: int | None = None
    detail: str = ""
    hint: str = ""
    context: str = ""


def reports(lines: Iterable[LogLine]) -> Iterator[Report]:
    """Yield the reports of a log, in order. A report's lines are adjacent: the server writes them at once.

    Lines before the first report, and of other programs, are left out.
    """
    current: Report | None = None
    part = ""
    for line in lines:
        match = _LINE.match(line.text)
        if match is None:
            current = _continued(current, part, line.text)
            continue
        part = match["word"]
        if part in _PARTS.split("|"):
            current = _with(current, part, match["text"])
            continue
        if current is not None:
            yield current
        pid = _PID.search(match["prefix"])
        current = Report(part, match["text"], line.at, int(pid[1]) if pid else None)
    if current is not None:
        yield current


def _continued(report: Report | None, part: str, text: str) -> Report | None:
    """Add a continuation line, which the server starts with a tab, to the report."""
    if report is None or not text.startswith("\t"):
        return report
    if part in _KEPT:
        return _with(report, part, f"{getattr(report, part.lower())}\n{text[1:]}")
    if part in _LEVELS.split("|"):
        return replace(report, message=f"{report.message}\n{text[1:]}")
    return report


def _with(report: Report | None, part: str, text: str) -> Report | None:
    if report is None:
        return None
    match part:
        case "DETAIL":
            return replace(report, detail=text)
        case "HINT":
            return replace(report, hint=text)
        case "CONTEXT":
            return replace(report, context=text)
    return report


_BYTES = 512 * 1024


def server_log(server: Server, *, lines: int = 2000) -> Sequence[LogLine]:
    """Return the last lines of the pod's log, and of the logging collector's file if that is on.

    At most `lines` lines of each, and 512 KiB of the file. Source: the container's log,
    pg_current_logfile('stderr'). Reading the file needs pg_read_server_files or a superuser: QueryFailed.
    """
    pod_log = server.cluster.logs(server.pod, tail=lines, timestamps=True)
    return [*pod_log, *collected_log(server, lines=lines, size=_BYTES, form="stderr")]
