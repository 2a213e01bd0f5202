"""Block writes in some databases of a publisher: read-only for new sessions, and older sessions ended.

The setting is stored in the catalog, so that a later run sees it and a restart keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgnb.postgres import Server, compose, identifier
from pgnb.postgres.client_sessions import end_client_sessions

_SETTING = "default_transaction_read_only"


@dataclass(frozen=True)
class WriteStatus:
    """One database: whether its new sessions begin read-only, and what could write nevertheless."""

    name: str
    blocked: bool
    prepared: int
    overriding: tuple[str, ...]

    @property
    def summary(self) -> str:
        """What could write although new sessions begin read-only."""
        roles = (
            f"roles that set {_SETTING} themselves: {', '.join(self.overriding)}" if self.overriding else ""
        )
        prepared = f"{self.prepared} prepared transactions" if self.prepared else ""
        return "; ".join(part for part in (roles, prepared) if part)


def write_status(publisher: Server) -> dict[str, WriteStatus]:
    """Return the state of every database by name. Source: pg_db_role_setting, pg_prepared_xacts."""
    rows = publisher.query("logical/read_only_databases")
    return {row["name"]: WriteStatus(**{**row, "overriding": tuple(row["overriding"])}) for row in rows}


def block_writes(publisher: Server, databases: Sequence[str]) -> str:
    """Make the databases read-only for new sessions and end every older one.

    A session that sets its transaction mode itself can still write; the rows are counted afterwards. Raises
    DeadlineExceeded for sessions that do not end.
    """
    states = write_status(publisher)
    for database in databases:
        if not states[database].blocked:
            publisher.execute(compose(f"ALTER DATABASE {{}} SET {_SETTING} = on", identifier(database)))
    return f"read-only, {end_sessions(publisher, databases)} sessions ended"


def end_sessions(publisher: Server, databases: Sequence[str]) -> int:
    """End every client session in the databases that began before now; return their number.

    Raises DeadlineExceeded for sessions that do not end.
    """
    publisher.close_sessions()
    return end_client_sessions(publisher, databases)


def allow_writes(publisher: Server, databases: Sequence[str]) -> str:
    """Allow writes in new sessions again. Sessions that began meanwhile stay read-only."""
    states = write_status(publisher)
    blocked = [database for database in databases if states[database].blocked]
    for database in blocked:
        publisher.execute(compose(f"ALTER DATABASE {{}} RESET {_SETTING}", identifier(database)))
    publisher.close_sessions()
    return f"writes are allowed again in {len(blocked)} databases"
