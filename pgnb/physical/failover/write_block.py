"""Block writes on a running server: new sessions are read-only, and older ones are ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from pgnb.cluster.role_change_mark import RoleChangeMark
from pgnb.core.errors import GateClosed
from pgnb.core.wait import wait_until
from pgnb.postgres import Server
from pgnb.postgres.client_sessions import end_client_sessions
from pgnb.postgres.config.edits import SystemEdit

_SETTING = "default_transaction_read_only"
_TIMEOUT = 15.0
_FOR_OTHERS = """\
SELECT CASE WHEN source <> 'client' THEN reset_val
            ELSE coalesce((SELECT f.setting FROM pg_catalog.pg_file_settings f
                            WHERE f.name = s.name AND f.applied), boot_val) END
  FROM pg_catalog.pg_settings s WHERE s.name = 'default_transaction_read_only'"""
"""The value for other sessions; a plan-only run sets it for its own session, which is left out here."""


def read_only_by_default(server: Server) -> str:
    """Return the default_transaction_read_only of a new session of another client: `on` or `off`."""
    return str(server.scalar(_FOR_OTHERS))


@dataclass
class WriteBlock:
    """Block client writes on one server.

    Roles and databases that override default_transaction_read_only can write until shutdown.
    """

    server: Server
    interrupted: RoleChangeMark | None = None
    """An interrupted change of roles that stopped writes; it keeps the previous value."""
    edit: SystemEdit | None = field(default=None, repr=False)

    def enable(self) -> str:
        """Make new sessions read-only, then end every older session. Raises DeadlineExceeded."""
        if not self.server.facts.allow_alter_system:
            raise GateClosed(
                f"{self.server.name}: allow_alter_system is off",
                found="ALTER SYSTEM is refused",
                remedy="Set it on for the switchover, which blocks writes by ALTER SYSTEM.",
            )
        self.edit = SystemEdit(_SETTING, self.previous_value(), "on")
        self.edit.apply(self.server)
        self._reload("on")
        return f"read-only, {end_client_sessions(self.server)} sessions ended"

    def unpersist(self) -> None:
        """Restore postgresql.auto.conf without a reload: only the running server stays read-only."""
        if self.edit is not None:
            self.edit.inverse().apply(self.server)

    def disable(self) -> str:
        """Allow writes again, and return what was done."""
        if self.edit is None:
            return "Nothing was changed."
        if not self.edit.inverse().is_current(self.server):
            self._reload_only()
            return "Writes are allowed again."
        self.unpersist()
        self._reload("off")
        return "Restored: writes are allowed again."

    def previous_value(self) -> str | None:
        """Return the value in postgresql.auto.conf before pgnb blocked writes; None if it had none."""
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

    def _reload(self, desired: str) -> None:
        self._reload_only()

        def seen() -> str:
            with self.server.new_session() as session:
                return str(session.query(f"SHOW {_SETTING}")[0][_SETTING])

        wait_until(
            f"{_SETTING} = {desired} in new sessions",
            seen,
            lambda value: value == desired,
            timeout=_TIMEOUT,
            every=0.02,
            remedy="The server's command line, or a setting of the database or role, overrides ALTER SYSTEM.",
        )
