"""Persistent SQL sessions: the only module that imports the driver.

A session is one connection in autocommit mode, kept open and opened again after it was lost. Reads are sent
again after a reconnection; statements that change something are never sent twice.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pgnb.core.errors import (
    ApiUnreachable,
    ConnectionFailed,
    DeadlineExceeded,
    ForwardFailed,
    PgnbError,
    PodError,
    QueryFailed,
)
from pgnb.core.secrecy import masked
from pgnb.core.wait import wait_until
from pgnb.postgres import encryption
from pgnb.postgres.connect_errors import is_final, remedy_for
from pgnb.postgres.route import Route
from pgnb.postgres.rows import Params, Rows
from pgnb.postgres.rows import Row as Row

Statement = str | sql.SQL | sql.Composed

APPLICATION_NAME = "pgnb"
_NOTICES = 200
_NOT_FROM_THE_ENVIRONMENT: Mapping[str, Any] = {
    # PGHOSTADDR and PGSSLMODE are set beside these, for the same reason (pgnb.postgres.encryption).
    "gssencmode": "disable",
    "channel_binding": "prefer",
    "target_session_attrs": "any",
}
_LOG_SETTINGS = {
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
}
_UNLOGGED = "; ".join(f"SET {setting} = '{value}'" for setting, value in _LOG_SETTINGS.items())
_LOGGED = "; ".join(f"RESET {setting}" for setting in _LOG_SETTINGS)
_LOCK_NOT_AVAILABLE = "55P03"
_HOLDERS = (
    "Another session holds the lock: see pg_locks and pg_blocking_pids(), and run this again when it is free."
)
_FAILED = psycopg.pq.TransactionStatus.INERROR
_OPEN = psycopg.pq.TransactionStatus.INTRANS
# Errors that may be over in a moment; a missing Secret or right is not among them.
_TRANSIENT = (ConnectionFailed, PodError, ForwardFailed, ApiUnreachable)
_SESSION_SETTINGS = {
    # The driver reads these styles only; a database may have other defaults.
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    # A kept session must outlive the time between two cells.
    "idle_session_timeout": "0",
    # Compiling a UNION over a thousand tables takes longer than running it.
    "jit": "off",
}


def identifier(*parts: str) -> sql.Identifier:
    """Return a quoted SQL name, with its schema if two parts are given."""
    return sql.Identifier(*parts)


def literal(value: Any) -> sql.Literal:
    """Return a quoted SQL constant, for statements that take no parameters (DDL, ALTER SYSTEM)."""
    return sql.Literal(value)


def compose(template: str, /, *parts: Any, **named: Any) -> sql.Composed:
    """Return SQL from a template with `{}` or `{name}`; values that are not SQL become literals."""
    as_sql = [part if isinstance(part, sql.Composable) else sql.Literal(part) for part in parts]
    named_sql = {k: v if isinstance(v, sql.Composable) else sql.Literal(v) for k, v in named.items()}
    return sql.SQL(template).format(*as_sql, **named_sql)


def join(separator: str, parts: Sequence[sql.Composable]) -> sql.Composed:
    """Return SQL parts joined by a separator."""
    return sql.SQL(separator).join(parts)


@dataclass(frozen=True)
class Login:
    """User and timeouts of a session: seconds for a connection, a statement, and a reconnection.

    A statement waits `lock_timeout` seconds for each lock, because other sessions queue behind it. `password`
    is called at every connection, so that a rotated Secret is used; it is never stored. With `read_only` the
    server itself refuses every write.
    """

    user: str
    password: Callable[[], str | None] = field(default=lambda: None, repr=False)
    connect_timeout: int = 10
    statement_timeout: float = 60.0
    lock_timeout: float = 10.0
    reconnect_timeout: float = 60.0
    read_only: bool = False

    def options(self) -> str:
        """Return the options that libpq sends at the start of a session."""
        settings = dict(_SESSION_SETTINGS)
        settings["statement_timeout"] = str(int(self.statement_timeout * 1000))
        settings["lock_timeout"] = str(int(self.lock_timeout * 1000))
        if self.read_only:
            settings["default_transaction_read_only"] = "on"
        return " ".join(f"-c {key}={value}" for key, value in settings.items())


# The local end of a forward, which means nothing to a reader.
_LIBPQ_PREFIX = re.compile(
    r'^connection failed: (connection to server (at "[^"]*",( port)?|on socket "[^"]*") ?[^:]*failed: )?'
)


class Session:
    """One connection to one database; several threads may use it, one statement at a time.

    `on_reconnect` is called with the session after each connection but the first, because the server may be
    another one then.
    """

    def __init__(
        self,
        route: Route,
        login: Login,
        database: str,
        *,
        on_reconnect: Callable[[Session], None] | None = None,
    ) -> None:
        self.database = database
        self.notices: deque[str] = deque(maxlen=_NOTICES)
        self._route = route
        self._login = login
        self._on_reconnect = on_reconnect
        self._lock = RLock()
        self._connection: psycopg.Connection[Row] | None = None
        self._connected_before = False

    def query(self, statement: Statement, params: Params = None) -> Rows:
        """Read; sent again once if the connection was lost.

        Raises QueryFailed, or ConnectionFailed if the server is not back within the login's
        reconnect_timeout.
        """
        with self._lock:
            connection = self._ready()
            try:
                return self._run(connection, statement, params)
            except ConnectionFailed:
                return self._run(self._ready(), statement, params)

    def execute(self, statement: Statement, params: Params = None) -> Rows:
        """Change something; sent once. Parameters are quoted by the client, so that DDL accepts them too.

        Raises QueryFailed; ConnectionFailed if the connection was lost meanwhile: then check whether the
        statement took effect.
        """
        with self._lock:
            connection = self._ready()
            bound = psycopg.ClientCursor(connection).mogrify(statement, params) if params else statement
            with self._unlogged(connection, bound):
                return self._run(connection, bound, None)

    @contextmanager
    def _unlogged(self, connection: psycopg.Connection[Row], statement: Statement) -> Iterator[None]:
        """Keep a statement with a secret out of the server's log, if this role may."""
        text = statement if isinstance(statement, str) else statement.as_string(connection)
        if masked(text) == text or connection.info.parameter_status("is_superuser") != "on":
            yield
            return
        self._run(connection, _UNLOGGED, None)
        try:
            yield
        finally:
            # A failed transaction accepts only its end, which also restores these settings.
            if not connection.closed and connection.info.transaction_status != _FAILED:
                self._run(connection, _LOGGED, None)

    @contextmanager
    def releasing_locks(self) -> Iterator[None]:
        """Release, at the block's end, the locks of its statements, and undo what they changed.

        An open transaction keeps its snapshot; without a transaction there is nothing to do.
        """
        if self._ready().info.transaction_status != _OPEN:
            yield
            return
        self.execute("SAVEPOINT pgnb_locks")
        yield
        self.execute("ROLLBACK TO SAVEPOINT pgnb_locks; RELEASE SAVEPOINT pgnb_locks")

    def rollback(self) -> None:
        """End the transaction if one was begun; without one, ROLLBACK would log a warning."""
        with self._lock:
            connection = self._ready()
            with self._translated(connection, "ROLLBACK"):
                connection.rollback()

    @property
    def backend_pid(self) -> int:
        """The PID of the server's process for this session."""
        with self._lock:
            return self._ready().info.backend_pid

    def close(self) -> None:
        """Close the connection; the next statement opens a new one."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _ready(self) -> psycopg.Connection[Row]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self._connection = self._open()
        if self._connected_before:
            self._greet_or_close()
        self._connected_before = True
        return self._connection

    def _greet_or_close(self) -> None:
        try:
            if self._on_reconnect is not None:
                self._on_reconnect(self)
        except BaseException:
            self.close()
            raise

    def _open(self) -> psycopg.Connection[Row]:
        """Connect, and wait for a server that starts, restarts or moves to another pod."""
        failures: list[PgnbError] = []

        def attempt() -> psycopg.Connection[Row] | None:
            try:
                if failures:
                    self._route.renew()
                return self._connect()
            except _TRANSIENT as failure:
                failures.append(failure)
                if isinstance(failure, ConnectionFailed) and is_final(failure.found):
                    raise
                return None

        reconnect_timeout = (
            self._login.reconnect_timeout if self._connected_before else self._login.connect_timeout
        )
        try:
            found = wait_until(
                f"a session on {self._route.name}",
                attempt,
                timeout=reconnect_timeout,
                every=0.2,
                describe=lambda made: "connected" if made else failures[-1].found or failures[-1].message,
            )
        except DeadlineExceeded as late:
            raise (failures[-1] if failures else late) from None
        if found is None:
            raise failures[-1]
        return found

    def _connect(self) -> psycopg.Connection[Row]:
        """Connect by the mode of encryption: encrypted at once, or if the server requires it."""
        failure: ConnectionFailed | None = None
        for encrypted in encryption.attempts():
            try:
                return self._connected(encrypted=encrypted)
            except ConnectionFailed as error:
                # For a server without TLS, the error of the first attempt matters more than that of the
                # second.
                failure = failure if failure and encryption.lacks_tls(error.found) else error
                if not encryption.demanded(error.found):
                    break
        assert failure is not None  # there is at least one attempt
        raise failure

    def _connected(self, *, encrypted: bool) -> psycopg.Connection[Row]:
        host, port = self._route.address(encrypted=encrypted)
        where = encryption.options(host, psycopg.pq.version(), encrypted=encrypted)
        try:
            connection = psycopg.connect(
                **where,
                port=port,
                user=self._login.user,
                password=self._login.password(),
                dbname=self.database,
                application_name=APPLICATION_NAME,
                options=self._login.options(),
                connect_timeout=self._login.connect_timeout,
                client_encoding="utf8",
                autocommit=True,
                row_factory=dict_row,
                **_NOT_FROM_THE_ENVIRONMENT,
            )
        except psycopg.OperationalError as error:
            raise self._refused(error) from None
        connection.add_notice_handler(lambda notice: self.notices.append(notice.message_primary or ""))
        return connection

    def _refused(self, error: psycopg.Error) -> ConnectionFailed:
        words = _words(error)
        return ConnectionFailed(
            f"no session on {self._route.name} as {self._login.user!r} in database {self.database!r}",
            found=f"{words} ({self._route.state()})",
            remedy=remedy_for(words),
        )

    def _run(self, connection: psycopg.Connection[Row], statement: Statement, params: Params) -> Rows:
        with self._translated(connection, statement):
            cursor = connection.execute(statement, params)
            if cursor.description is None:
                return Rows()
            return Rows(cursor.fetchall(), [column.name for column in cursor.description])

    @contextmanager
    def _translated(self, connection: psycopg.Connection[Row], statement: Statement) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if connection.closed:
                raise ConnectionFailed(
                    f"the connection to {self._route.name} was lost",
                    found=self._found(error),
                    remedy="Check the pod; reads are repeated automatically, changes are not.",
                ) from None
            remedy = _HOLDERS if error.sqlstate == _LOCK_NOT_AVAILABLE else ""
            raise QueryFailed(
                _words(error),
                found=f"in: {_first_line(statement, connection)}",
                remedy=error.diag.message_hint or remedy,
                sqlstate=error.sqlstate or "",
            ) from None

    def _found(self, error: psycopg.Error) -> str:
        return f"{_words(error)} ({self._route.state()})"


def _words(error: psycopg.Error) -> str:
    """Return the server's own text in one line."""
    text = error.diag.message_primary or str(error)
    detail = f": {error.diag.message_detail}" if error.diag.message_detail else ""
    return _LIBPQ_PREFIX.sub("", " ".join(f"{text}{detail}".split()))


def _first_line(statement: Statement, connection: psycopg.Connection[Row]) -> str:
    text = masked(statement if isinstance(statement, str) else statement.as_string(connection))
    lines = [line for line in text.strip().splitlines() if not line.lstrip().startswith("--")]
    return (lines or [""])[0][:120]


def statement_text(statement: Statement) -> str:
    """Return a statement in one line for a journal, without secrets."""
    return whole_statement(statement)[:200]


def whole_statement(statement: Statement) -> str:
    """Return the same without a limit of length: for a reader who runs it."""
    text = statement if isinstance(statement, str) else statement.as_string(None)
    return masked(" ".join(text.split()))
