"""End the sessions of clients, so that what new sessions begin with holds for all."""

from __future__ import annotations

from collections.abc import Sequence

from pgnb.core.wait import wait_until
from pgnb.postgres.server import Server
from pgnb.postgres.session import compose

_TIMEOUT = 15.0
_OLDER = """\
 FROM pg_catalog.pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid() AND backend_start < {since}
   AND ({databases}::text[] IS NULL OR datname IS NULL OR datname = ANY ({databases}::text[]))"""
_END = "SELECT count(pg_catalog.pg_terminate_backend(pid)) AS ended" + _OLDER
_LEFT = "SELECT count(*) AS left" + _OLDER


def end_client_sessions(server: Server, databases: Sequence[str] | None = None) -> int:
    """End every client session that began before now, in all or the named databases; return their number.

    Raises DeadlineExceeded for sessions that do not end.
    """
    now = server.scalar("SELECT pg_catalog.clock_timestamp()")
    which = {"since": now, "databases": None if databases is None else list(databases)}
    where = "" if databases is None else " in these databases"
    ended = server.execute(compose(_END, **which), what=f"end the clients' sessions{where}")
    wait_until(
        "the clients' sessions to end",
        lambda: int(server.scalar(compose(_LEFT, **which))),
        lambda left: left == 0,
        timeout=_TIMEOUT,
        every=0.02,
        describe=lambda left: f"{left} left",
    )
    return int(ended[0]["ended"])
