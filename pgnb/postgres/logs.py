"""The file that a server's logging collector writes; without it the server's log is its container's."""

from __future__ import annotations

from pgnb.cluster import LogLine
from pgnb.postgres.server import Server


def collected_log(server: Server, *, lines: int, size: int, form: str | None = None) -> list[LogLine]:
    """Return the last `lines` lines in the last `size` bytes of the file; none if the collector is off.

    `form` is that of log_destination ("stderr", "csvlog"); None takes any. Reading the file needs
    pg_read_server_files or a superuser: QueryFailed.
    """
    rows = server.query("collected_log", {"bytes": size, "form": form})
    text = bytes(rows[0]["content"]).decode("utf-8", "replace") if rows else ""
    return [LogLine(line) for line in text.splitlines()[-lines:]]
