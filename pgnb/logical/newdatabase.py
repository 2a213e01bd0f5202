"""A new database on the publisher, made only when asked for: a name that is not there may be a slip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgnb.errors import ParameterError
from pgnb.logical.specs import Specs, check_name, database_specs
from pgnb.plan import Change, Step
from pgnb.server import Server, compose, name


def plan_new_database(
    publisher: Server, database: str, *, create: bool, owner: str = "", ddl: str = ""
) -> Change:  # fmt: skip
    """Make the database, and in it what `ddl` says, in one transaction as `owner`; nothing where it is there.

    Encoding and locale are those of template1, as CREATE DATABASE has it. Raises ParameterError for a name
    that is not there unless `create` is true.
    """
    check_name("database", database)
    title = f"database {database} on {publisher.name}"
    there = database in {row["name"] for row in publisher.query("databases")}
    if there or not publisher.present:
        return Change(
            title, publisher.journal, note="It is there." if there else "the server is not there yet"
        )
    if not create:
        raise ParameterError(
            f"there is no database {database!r} on the publisher", found="not in pg_database",
            remedy="Correct the name (names are case-sensitive here), or set create_database = True.",
        )  # fmt: skip
    made = compose("CREATE DATABASE {}", name(database))
    statement = compose("{} OWNER {}", made, name(owner)) if owner else made

    def create_it() -> str:
        publisher.execute(statement)
        return "made"

    steps = [Step(publisher.name, f"CREATE DATABASE {database}", create_it, journalled=True)]
    if ddl.strip():
        what = f"{database}: {' '.join(ddl.split())}"
        steps.append(Step(publisher.name, what, lambda: _fill(publisher, database, owner, ddl)))
    after = f"{database}: owner {owner or publisher.facts.login}\n"
    return Change(title, publisher.journal, "", after, steps, undo_text=f"DROP DATABASE {database}")


def new_database_specs(publisher: Server, database: str, publish: Mapping[str, Any]) -> Specs:
    """The spec of one database, with what `publish` says of it; none in a plan-only run that would make it.

    Raises ParameterError as database_specs does.
    """
    there = {row["name"] for row in publisher.query("databases")}
    if publisher.journal.dry_run and database not in there:
        return Specs(())
    return database_specs(publisher, [database], {database: publish.get(database, "all")})


def _fill(publisher: Server, database: str, owner: str, ddl: str) -> str:
    with publisher.new_session(database) as session:
        session.execute("BEGIN")
        if owner:
            session.execute(compose("SET LOCAL ROLE {}", name(owner)))
        session.execute(ddl)
        session.execute("COMMIT")
    return "made"
