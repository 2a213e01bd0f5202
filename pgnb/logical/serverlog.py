"""The end of a server's log, wherever the server writes it."""

from __future__ import annotations

from collections.abc import Sequence

from pgnb.cluster.logs import LogLine
from pgnb.postgres import Server

_BYTES = 512 * 1024


def server_log(server: Server, *, lines: int = 2000) -> Sequence[LogLine]:
    """The last lines of the pod's log, and of the file of the logging collector where that is on.

    Bounded to `lines` lines of each and 512 KiB of the file. Source: the container's log,
    pg_current_logfile('stderr'). Reading the file takes pg_read_server_files or a superuser: QueryFailed.
    """
    pod_log = server.cluster.logs(server.pod, tail=lines, timestamps=True)
    rows = server.query("logical/collected_log", {"bytes": _BYTES})
    text = bytes(rows[0]["content"]).decode("utf-8", "replace") if rows else ""
    collected = text.splitlines()[-lines:]
    return [*pod_log, *(LogLine(line) for line in collected)]
