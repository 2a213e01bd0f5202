"""A PostgreSQL server in a pod: sessions, queries, facts, settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from threading import RLock
from typing import Any

from pgnb.cluster import Cluster, Pod
from pgnb.core.display import Table, format_bytes, key_value_table
from pgnb.core.errors import ConnectionFailed, GateClosed, ServerError, WrongServer
from pgnb.core.journal import Journal
from pgnb.postgres.config.settings import SettingsTable, read_settings
from pgnb.postgres.config.values import Wanted
from pgnb.postgres.facts import Facts, Owner, read_facts
from pgnb.postgres.queries import is_name, sql_of
from pgnb.postgres.route import Absent, Route, ThroughPod
from pgnb.postgres.rows import Params, Row, Rows
from pgnb.postgres.session import Login, Session, Statement, statement_text


class Server:
    """One PostgreSQL server, as `find_server` returns it.

    Sessions are opened when needed, one for each database, and kept until `close`.
    """

    def __init__(self, route: Route, login: Login, journal: Journal, *, database: str = "postgres") -> None:
        self.route = route
        self.login = login
        self.journal = journal
        self.database = database
        self._sessions: dict[str, Session] = {}
        self._lock = RLock()
        self._facts: Facts | None = None

    @property
    def present(self) -> bool:
        """False for a server that a plan-only run found not to be there yet."""
        return not isinstance(self.route, Absent)

    @property
    def name(self) -> str:
        """The place, for journals and messages."""
        return self.route.name

    @property
    def cluster(self) -> Cluster:
        """The cluster of the server's pod. Raises ServerError for an absent server."""
        return self._through_pod.cluster

    @property
    def pod(self) -> Pod:
        """The server's current pod. Raises ServerError for an absent server."""
        return self._through_pod.pod

    @property
    def selector(self) -> str:
        """The label selector that finds the server's pod."""
        return self._through_pod.selector

    @property
    def _through_pod(self) -> ThroughPod:
        if isinstance(self.route, ThroughPod):
            return self.route
        raise ServerError(
            f"{self.name}: there is no pod",
            found=self.route.state(),
            remedy="Files, exec and restarts need a server in a pod.",
        )

    @property
    def facts(self) -> Facts:
        """Facts of the server; read once, and again after `refresh` or a reconnection."""
        with self._lock:
            if self._facts is None:
                self._facts = read_facts(self._query_for_facts) if self.present else Facts()
            return self._facts

    def _query_for_facts(self, statement: str) -> Rows:
        return self.session().query(statement)

    def refresh(self) -> Facts:
        """Read the facts again: after a restart, a promotion or a reload."""
        self._facts = None
        return self.facts

    def query(self, sql_or_name: Statement, params: Params = None, *, database: str | None = None) -> Rows:
        """Read by SQL or by a named query (see pgnb.postgres.queries); return no rows for an absent server.

        Raises QueryFailed with the SQLSTATE, or ConnectionFailed with the pod's state.
        """
        if not self.present:
            return Rows()
        statement = sql_or_name
        if isinstance(statement, str) and is_name(statement):
            statement = sql_of(statement, self.facts.major)
        return self.session(database).query(statement, params)

    def fetch_one(self, sql_or_name: Statement, params: Params = None, *, database: str | None = None) -> Row:
        """Return the only row of a query; an empty one for an absent server."""
        rows = self.query(sql_or_name, params, database=database)
        if not self.present:
            return {}
        if len(rows) != 1:
            raise ServerError(
                f"{self.name}: one row was expected", found=f"{len(rows)} rows: {sql_or_name!r}"
            )
        return rows[0]

    def scalar(self, sql_or_name: Statement, params: Params = None, *, database: str | None = None) -> Any:
        """Return the first column of the only row; None for an absent server."""
        return next(iter(self.fetch_one(sql_or_name, params, database=database).values()), None)

    def execute(
        self, statement: Statement, params: Params = None, *, database: str | None = None, what: str = ""
    ) -> Rows:
        """Change something by one statement, in autocommit, journalled as `what` (free of secrets).

        It is never sent twice. Raises GateClosed in a plan-only run.
        """
        text = what or statement_text(statement)
        if self.journal.dry_run:
            raise GateClosed(f"{self.name}: this run only plans; not sent", found=text)
        with self.journal.act(self.name, text):
            return self.session(database).execute(statement, params)

    def session(self, database: str | None = None) -> Session:
        """Return the kept session for a database, created when first needed."""
        wanted = database or self.database
        with self._lock:
            if wanted not in self._sessions:
                self._sessions[wanted] = self._make_session(wanted, self.login)
            return self._sessions[wanted]

    @contextmanager
    def new_session(
        self,
        database: str | None = None,
        *,
        statement_timeout: float | None = None,
        lock_timeout: float | None = None,
    ) -> Iterator[Session]:
        """Open a session of its own for the block: load, sampling, long statements (timeout 0: no limit)."""
        own = self.login
        login = replace(
            own,
            statement_timeout=own.statement_timeout if statement_timeout is None else statement_timeout,
            lock_timeout=own.lock_timeout if lock_timeout is None else lock_timeout,
        )
        session = self._make_session(database or self.database, login)
        try:
            yield session
        finally:
            session.close()

    def _make_session(self, database: str, login: Login) -> Session:
        if not self.present:
            raise ConnectionFailed(f"{self.name}: not there yet", found=self.route.state())
        return Session(self.route, login, database, on_reconnect=self._recognise)

    def _recognise(self, session: Session) -> None:
        """Check after a reconnection that it is the same database cluster, and read its facts again."""
        before, self._facts = self._facts, None
        if before is None:
            return
        now = read_facts(session.query)
        if before.system_identifier and now.system_identifier != before.system_identifier:
            raise WrongServer(
                f"{self.name} came back as another database cluster",
                found=f"system identifier {now.system_identifier}, it was {before.system_identifier}",
                remedy="Stop here: find out which data directory the pod has mounted.",
            )
        self._facts = now

    def close_sessions(self) -> None:
        """Close the kept sessions; a later query opens new ones, with the server's current settings."""
        with self._lock:
            for session in self._sessions.values():
                session.close()

    def reopen(self) -> None:
        """Find the pod again and close every connection, after the pod was replaced."""
        self.close()
        self.route.renew()

    def close(self) -> None:
        """Close every session and the route; a later query opens them again."""
        self.close_sessions()
        self.route.close()

    def settings(self, wanted: Mapping[str, Wanted] | Iterable[str]) -> SettingsTable:
        """Return settings by name, or with the desired values of a mapping; one query."""
        title = f"Settings of {self.name}"
        if not self.present:
            return SettingsTable((), f"{title}: not there yet", self.journal)
        return SettingsTable(read_settings(self.query, wanted), title, self.journal)

    def databases(self) -> Table:
        """Return the databases with owner, size, encoding, collation and sessions."""
        rows = [(*row.values(),) for row in self.query("databases")]
        shown = [(name, owner, format_bytes(size), *rest) for name, owner, size, *rest in rows]
        columns = ("database", "owner", "size", "encoding", "collation", "sessions")
        return Table.of(columns, shown, title=f"Databases of {self.name}")

    @cached_property
    def owner(self) -> Owner:
        """Owner and mode of the data directory; read once, by exec: images differ in both (fact 66)."""
        argv = ["stat", "-c", "%u %g %a", self.facts.data_directory]
        uid, gid, mode = self.cluster.exec(self.pod, argv).text.split()
        return Owner(int(uid), int(gid), mode)

    @property
    def table(self) -> Table:
        """One fact a line."""
        if not self.present:
            return key_value_table(self.name, {"state": "not there yet", "found": self.route.state()})
        facts = self.facts
        about: dict[str, object] = {
            "pod": self.pod.name,
            "image": self.pod.image,
            "version": f"PostgreSQL {facts.version_text}",
            "role": facts.role,
            "system identifier": facts.system_identifier or "not readable",
            "timeline": str(facts.timeline or "not readable"),
            "data directory": facts.data_directory or "not readable",
            "up since": facts.started,
            "login": f"{facts.login}{' (superuser)' if facts.superuser else ''}",
        }
        return key_value_table("PostgreSQL server", about)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def __str__(self) -> str:
        return str(self.table)

    def __repr__(self) -> str:
        return f"<Server {self.name}>"
