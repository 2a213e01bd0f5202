"""Writes stopped on a server that goes on running: read-only for new sessions, and the old ones ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from pgnb.cluster.rolechange import RoleChange
from pgnb.core.errors import GateClosed
from pgnb.core.wait import wait_until
from pgnb.postgres import Server
from pgnb.postgres.config.edits import SystemEdit

_SETTING = "default_transaction_read_only"
_TIMEOUT = 15.0
_END_SESSIONS = """\
SELECT count(pg_catalog.pg_terminate_backend(pid)) AS ended FROM pg_catalog.pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid() AND backend_start < %s"""
_LEFT = """\
SELECT count(*) FROM pg_catalog.pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid() AND backend_start < %s"""

_FOR_OTHERS = """\
SELECT CASE WHEN source <> 'client' THEN reset_val
            ELSE coalesce((SELECT f.setting FROM pg_catalog.pg_file_settings f
                            WHERE f.name = s.name AND f.applied), boot_val) END
  FROM pg_catalog.pg_settings s WHERE s.name = 'default_transaction_read_only'"""
"""A run that only plans asks for the setting itself, with the start of its session: that is left out."""


def read_only_by_default(server: Server) -> str:
    """`on` or `off`: what another client's session would begin with."""
    return str(server.scalar(_FOR_OTHERS))


@dataclass
class Quiet:
    """One server's silence. A role or database that sets the setting itself escapes it until the shutdown."""

    server: Server
    interrupted: RoleChange | None = None
    """A change of roles that stopped writes before and did not end: it knows the value from before."""
    edit: SystemEdit | None = field(default=None, repr=False)

    def begin(self) -> str:
        """Read-only in force, then every older session ended. Raises DeadlineExceeded."""
        if not self.server.facts.allow_alter_system:
            raise GateClosed(
                f"{self.server.name}: allow_alter_system is off",
                found="ALTER SYSTEM is refused",
                remedy="Allow it for the switchover: it is how writes are stopped, and taken back.",
            )
        self.edit = SystemEdit(_SETTING, self.standing(), "on")
        self.edit.apply(self.server)
        self._reload("on")
        now = self.server.scalar("SELECT pg_catalog.clock_timestamp()")
        ended = self.server.execute(_END_SESSIONS, (now,), what="end the clients' sessions")
        wait_until(
            "the clients' sessions to end",
            lambda: int(self.server.scalar(_LEFT, (now,))),
            lambda left: left == 0,
            timeout=_TIMEOUT,
            every=0.02,
            describe=lambda left: f"{left} left",
        )
        return f"read-only, {ended[0]['ended']} sessions ended"

    def forget(self) -> None:
        """The file as it was, without a reload: this server stays read-only, its next start will not be."""
        if self.edit is not None:
            self.edit.inverse().apply(self.server)

    def end(self) -> str:
        """Writes are let in again."""
        if self.edit is None:
            return "Nothing was changed."
        if not self.edit.inverse().is_current(self.server):
            self._reload_only()
            return "Writes are let in again."
        self.forget()
        self._reload("off")
        return "Put back: writes are let in again."

    def standing(self) -> str | None:
        """What postgresql.auto.conf says, or said before pgnb stopped writes; None: nothing."""
        found = self._in_file()
        if self.interrupted is not None and self.interrupted.stopped and found == "on":
            return self.interrupted.standing
        return found

    def _in_file(self) -> str | None:
        rows = [row for row in self.server.query("file_settings") if row["name"] == _SETTING]
        values = [row["setting"] for row in rows if row["sourcefile"].endswith("postgresql.auto.conf")]
        return str(values[-1]) if values else None

    def _reload_only(self) -> None:
        self.server.execute("SELECT pg_catalog.pg_reload_conf()")

    def _reload(self, wished: str) -> None:
        self._reload_only()

        def seen() -> str:
            with self.server.new_session() as session:
                return str(session.query(f"SHOW {_SETTING}")[0][_SETTING])

        wait_until(
            f"{_SETTING} = {wished} in new sessions",
            seen,
            lambda value: value == wished,
            timeout=_TIMEOUT,
            every=0.02,
            remedy="The command line, or a setting of the database or role, beats ALTER SYSTEM.",
        )
