"""Create a new database on the publisher, only if asked for: a missing name may be a typing error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgnb.core.errors import GateClosed, ParameterError
from pgnb.core.plan import Change, Step
from pgnb.logical.publication_spec import ALL_OPERATIONS
from pgnb.logical.specs import Specs, check_name, database_specs
from pgnb.postgres import Server, compose, identifier
from pgnb.postgres.scratch import unfinished

_KEYLESS = """
SELECT c.oid::pg_catalog.regclass::text AS name FROM pg_catalog.pg_class c
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND c.oid >= 16384
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
   AND (c.relreplident = 'n' OR c.relreplident = 'd') ORDER BY 1
"""
_NEED_IDENTITY = ("update", "delete")


def plan_new_database(
    publisher: Server,
    database: str,
    *,
    create: bool,
    owner: str = "",
    ddl: str = "",
    publish: Mapping[str, Any] | None = None,
    operations: str = ALL_OPERATIONS,
    allow_replica_identity: bool = True,
) -> Change:
    """Plan to create the database and, by `ddl`, its contents, in one transaction as `owner`.

    Empty if the database exists. It gets its name once its contents are complete: if the SQL fails, or the
    run is interrupted, there is no database of that name and the next run begins again. Encoding and locale
    are those of template1, as with CREATE DATABASE. Without `allow_replica_identity`, SQL that creates a
    table without a primary key is refused if `publish` and `operations` would make its UPDATE and DELETE
    fail: its transaction is rolled back. Raises ParameterError for a missing database unless `create` is
    true.
    """
    check_name("database", database)
    title = f"database {database} on {publisher.name}"
    there = database in {row["name"] for row in publisher.query("databases")}
    if there or not publisher.present:
        return Change(
            title, publisher.journal, note="It exists." if there else "the server does not exist yet"
        )
    if not create:
        raise ParameterError(
            f"there is no database {database!r} on the publisher",
            found="not in pg_database",
            remedy="Correct the name (names are case-sensitive here), or set create_database = True.",
        )
    after = f"{database}: owner {owner or publisher.facts.login}\n"
    updates = any(word in operations for word in _NEED_IDENTITY) and database not in (publish or {})
    keyed = updates and not allow_replica_identity
    steps = _NewDatabase(publisher, database, owner, ddl.strip(), keyed).steps()
    return Change(title, publisher.journal, "", after, steps, undo_text=f"DROP DATABASE {database}")


def new_database_specs(
    publisher: Server,
    database: str,
    publish: Mapping[str, Any],
    *,
    operations: str = ALL_OPERATIONS,
    via_root: bool = False,
) -> Specs:
    """Return the spec of one database, with what `publish` says of it.

    Empty in a plan-only run that would create the database. Raises ParameterError as database_specs does.
    """
    there = {row["name"] for row in publisher.query("databases")}
    if publisher.journal.dry_run and database not in there:
        return Specs(())
    published = {database: publish.get(database, "all")}
    return database_specs(publisher, [database], published, operations=operations, via_root=via_root)


@dataclass(frozen=True)
class _NewDatabase:
    """A database that is created under a temporary name until its contents are complete."""

    publisher: Server
    database: str
    owner: str
    ddl: str
    keyed: bool
    """Whether each table must have a primary key."""

    @property
    def temporary_name(self) -> str:
        """Temporary name until the contents are complete; the prefix is reserved for pgnb."""
        return unfinished(self.database)

    def steps(self) -> list[Step]:
        here = self.publisher.name
        if not self.ddl:
            return [Step(here, f"CREATE DATABASE {self.database}", lambda: self._create(self.database), True)]
        return [
            Step(here, f"CREATE DATABASE {self.temporary_name}, later {self.database}", self._begin, True),
            Step(here, f"{self.database}: {' '.join(self.ddl.split())}", self._fill),
            Step(here, f"ALTER DATABASE {self.temporary_name} RENAME TO {self.database}", self._rename, True),
        ]

    def _begin(self) -> str:
        there = {row["name"] for row in self.publisher.query("databases")}
        if self.temporary_name in there:
            self.publisher.execute(compose("DROP DATABASE {}", identifier(self.temporary_name)))
        return self._create(self.temporary_name)

    def _create(self, called: str) -> str:
        made = compose("CREATE DATABASE {}", identifier(called))
        self.publisher.execute(compose("{} OWNER {}", made, identifier(self.owner)) if self.owner else made)
        return "created"

    def _fill(self) -> str:
        with self.publisher.new_session(self.temporary_name) as session:
            session.execute("BEGIN")
            if self.owner:
                session.execute(compose("SET LOCAL ROLE {}", identifier(self.owner)))
            session.execute(self.ddl)
            self._assert_keyed([row["name"] for row in session.execute(_KEYLESS)] if self.keyed else [])
            session.execute("COMMIT")
        return "created"

    def _assert_keyed(self, keyless: Sequence[str]) -> None:
        if keyless:
            raise GateClosed(
                f"{self.database}: UPDATE and DELETE would fail once it is published",
                found=f"no primary key: {', '.join(keyless)}",
                remedy="Give these tables a primary key in database_ddl, or set allow_replica_identity ="
                f" True. The transaction was rolled back; there is no database {self.database}.",
            )

    def _rename(self) -> str:
        self.publisher.execute(
            compose(
                "ALTER DATABASE {} RENAME TO {}", identifier(self.temporary_name), identifier(self.database)
            )
        )
        return "renamed"
