"""A scratch database: created to write test rows, recognized by its comment, dropped at the end.

Only a database that has the comment (or no comment, and a name reserved for pgnb) is ever dropped, so that a
parameter with the name of a real one does no harm; one that a killed run left is reused by the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from pgnb.core.checks import Check, Checks
from pgnb.core.errors import GateClosed, ParameterError
from pgnb.core.plan import Change, Step
from pgnb.postgres import Rows, Server, compose, identifier
from pgnb.postgres.rows import Row
from pgnb.postgres.scratch import SCRATCH, is_own, temporary_database
from pgnb.postgres.session import Statement

_LONGEST_NAME = 63


@dataclass(frozen=True)
class Scratch:
    """A scratch database with one table, `id`, `data` and `created_at`, as in the procedure's section 4.

    As a context manager it creates the database and drops it at the end of the block, unless `keep`.
    """

    server: Server = field(repr=False)
    database: str = "replication_test"
    table: str = "test_async"
    keep: bool = False

    def __post_init__(self) -> None:
        for label, value in (("database", self.database), ("table", self.table)):
            if not 0 < len(value.encode()) <= _LONGEST_NAME:
                raise ParameterError(
                    f"not a valid name for a scratch {label}: {value!r}",
                    found=f"{len(value.encode())} bytes",
                    remedy=f"Use 1 to {_LONGEST_NAME} bytes, because the server would cut a longer name.",
                )

    def plan_create(self) -> Change:
        """Return a plan that creates the database and the table; nothing to do if both exist.

        Raises GateClosed if a database of that name is not a scratch database.
        """
        comment = self._comment()
        if comment is not None and comment != SCRATCH:
            raise GateClosed(
                f"{self.database} is not a scratch database; nothing is written into it",
                found=f"its comment: {comment or 'none'}",
                remedy="Choose a name that no database has.",
            )
        steps = [] if comment else [self._step(f"CREATE DATABASE {self.database}", self._create_database)]
        steps += (
            []
            if comment and self._has_table()
            else [self._step(f"CREATE TABLE {self.table}", self._create_table)]
        )
        after = f"database {self.database}\n  table {self.table} (id, data, created_at)"
        return Change(
            f"scratch database {self.database}",
            self.server.journal,
            "" if steps else after,
            after,
            steps,
            undo_text="drop it again",
            undo=self.plan_drop,
        )

    def plan_drop(self) -> Change:
        """Return a plan that drops the database; nothing to do with `keep`, or without a database."""
        title, comment = f"drop scratch database {self.database}", self._comment()
        if self.keep or comment is None:
            note = "kept, as requested" if self.keep and comment else "There is no such database."
            return Change(title, self.server.journal, note=note)
        if comment != SCRATCH:
            raise GateClosed(
                f"{self.database} is not a scratch database; it is not dropped",
                found=f"its comment: {comment or 'none'}",
                remedy="Drop it by hand if you are sure.",
            )
        step = self._step(f"DROP DATABASE {self.database}", self._drop_database)
        return Change(title, self.server.journal, f"database {self.database}", "", [step])

    def drop_left(self) -> None:
        """Drop the database if a killed run left it: it exists, and no client is connected to it."""
        state = None if self.server.facts.in_recovery else self._state()
        if state and not state["clients"] and self._comment() == SCRATCH:
            self.plan_drop().apply()

    def insert(self, *values: str) -> Rows:
        """Insert rows, each in its own transaction, journalled; return them, none in a plan-only run."""
        if self.server.journal.dry_run:
            return Rows()
        return Rows([row for value in values for row in self._insert(value)], ("id", "data", "created_at"))

    def rows(self, server: Server, limit: int = 20) -> Rows:
        """Return the newest rows of the table on a server; `server` may be a standby."""
        if self.server.journal.dry_run and self._comment() is None:
            return Rows()
        query = compose("SELECT * FROM {} ORDER BY id DESC LIMIT {}", identifier("public", self.table), limit)
        return server.query(query, database=self.database)

    def same_rows(self, *standbys: Server) -> Checks:
        """Check that each standby has the same newest rows as the primary, for `verify`."""
        wanted = self.rows(self.server)
        items = [
            Check(
                f"{standby.name} has the rows",
                (found := self.rows(standby)) == wanted,
                _row_words(found),
                _row_words(wanted),
                "Wait for a marker first; then see 08.",
            )
            for standby in standbys
        ]
        return Checks.of(f"rows of {self.database}.{self.table}", items, self.server.journal)

    def __enter__(self) -> Scratch:
        self.plan_create().apply()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.plan_drop().apply()

    def _comment(self) -> str | None:
        """Return the database's comment, "" without one; None if the database does not exist.

        A run that was killed before it set the comment counts as having set it.
        """
        state = self._state()
        if state is None:
            return None
        unmarked = state["comment"] is None and is_own(self.database)
        return SCRATCH if unmarked else state["comment"] or ""

    def _state(self) -> Row | None:
        rows = self.server.query("observe/scratch_state", {"database": self.database})
        return rows[0] if rows else None

    def _has_table(self) -> bool:
        query = compose("SELECT pg_catalog.to_regclass({}) IS NOT NULL AS there", f'public."{self._quoted}"')
        return bool(self.server.scalar(query, database=self.database))

    @property
    def _quoted(self) -> str:
        return self.table.replace('"', '""')

    def _step(self, what: str, run: Callable[[], object]) -> Step:
        def carry_out() -> str:
            run()
            return "done"

        return Step(self.server.name, what, carry_out, journalled=True)

    def _create_database(self) -> None:
        # template0, because template1 cannot be copied while anybody is connected to it.
        statement = compose("CREATE DATABASE {} TEMPLATE template0", identifier(self.database))
        self._execute(statement, f"CREATE DATABASE {self.database}")
        statement = compose("COMMENT ON DATABASE {} IS {}", identifier(self.database), SCRATCH)
        self._execute(statement, f"COMMENT ON DATABASE {self.database}: a scratch database")

    def _create_table(self) -> None:
        definition = (
            "CREATE TABLE {} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data text,"
            " created_at timestamptz DEFAULT clock_timestamp())"
        )
        statement = compose(definition, identifier("public", self.table))
        self.change(statement, f"CREATE TABLE {self.table}")

    def _drop_database(self) -> None:
        # Close our own session in it, which is kept for the next cell: ended by FORCE, it would fail the next
        # statement.
        self.server.session(self.database).close()
        statement = compose("DROP DATABASE {} WITH (FORCE)", identifier(self.database))
        self._execute(statement, f"DROP DATABASE {self.database}", removes=True)

    def _insert(self, value: str) -> Rows:
        statement = compose(
            "INSERT INTO {} (data) VALUES ({}) RETURNING *", identifier("public", self.table), value
        )
        return self.change(statement, f"INSERT INTO {self.database}: {self.table}")

    def change(self, statement: Statement, what: str) -> Rows:
        """Change something in the scratch database.

        It does not count as a change once the database is dropped.
        """
        with self.server.journal.temporary(temporary_database(self.database)):
            return self.server.execute(statement, database=self.database, what=what)

    def _execute(self, statement: Statement, what: str, *, removes: bool = False) -> None:
        with self.server.journal.temporary(temporary_database(self.database), removes=removes):
            self.server.execute(statement, what=what)


def _row_words(rows: Rows) -> str:
    return ", ".join(f"{row['id']}: {row['data']}" for row in rows) or "no rows"
