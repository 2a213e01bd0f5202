"""Reload the configuration, and wait until it has taken effect."""

from __future__ import annotations

from datetime import datetime

from pgnb.core.wait import wait_until
from pgnb.postgres.server import Server

RELOAD_DEADLINE = 30.0
"""Seconds; a busy postmaster takes milliseconds."""


def reload_configuration(server: Server) -> str:
    """Reload and wait until a new session has the configuration (procedure section 2.2).

    The answer of pg_reload_conf() only says that a signal was sent. A new session is forked by the postmaster
    after it has read the files, so its load time proves the reload. Kept sessions are closed, because they
    would read the files a moment later. Raises DeadlineExceeded.
    """
    before = _load_time(server)
    server.session().execute("SELECT pg_catalog.pg_reload_conf()")
    loaded = wait_until(
        f"{server.name} to reload its configuration",
        lambda: _load_time(server),
        lambda now: now > before,
        timeout=RELOAD_DEADLINE,
        every=0.02,
        describe=lambda now: f"last loaded at {now:%H:%M:%S.%f}",
        remedy="See the server's log for why a reload was refused.",
    )
    server.close_sessions()
    return f"reloaded at {loaded:%H:%M:%S} UTC"


def _load_time(server: Server) -> datetime:
    with server.new_session() as session:
        loaded: datetime = session.query("SELECT pg_catalog.pg_conf_load_time() AS loaded")[0]["loaded"]
        return loaded
