"""Settings and privileges of databases and roles, which no dump of one database has."""

from __future__ import annotations

from typing import Any

from logical_pair import Pair, carry_out

from pgnb.logical.belongings import belongings_check
from pgnb.logical.databases import plan_databases
from pgnb.logical.roles import plan_roles
from pgnb.server import compose, name

DATABASE, ROLE = 'Shop "x"', "keeper 100%"


def _of(server: Any, query: str, **wanted: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in server.query(query, wanted)]


def test_a_database_that_is_made_has_them_and_is_no_wider_open(pair: Pair) -> None:
    here, there, wanted = pair.publisher, pair.subscriber, {"databases": [DATABASE]}
    here.execute(compose("CREATE ROLE {} LOGIN", name(ROLE)))
    pair.make_database(DATABASE, "CREATE TABLE t (id int PRIMARY KEY)")
    for statement in (
        'ALTER ROLE {role} SET search_path = "$user", \'My "Schema"\', public',
        "ALTER ROLE {role} IN DATABASE {database} SET work_mem = '5MB'",
        "ALTER DATABASE {database} SET timezone = 'Asia/Tokyo'",
        "ALTER DATABASE {database} SET app.tenant = 'it''s 100%'",
        "ALTER DATABASE {database} SET default_transaction_read_only = off",
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "GRANT CONNECT ON DATABASE {database} TO {role} WITH GRANT OPTION",
    ):
        here.execute(compose(statement, role=name(ROLE), database=name(DATABASE)))
    specs = pair.specs(DATABASE)
    carry_out(plan_roles(here, there, specs))
    change = plan_databases(here, there, specs)
    assert "Asia/Tokyo" in change.diff and "REVOKE" in change.diff
    carry_out(change)
    for query in ("logical/database_settings", "logical/database_grants"):
        assert _of(there, query, **wanted) == _of(here, query, **wanted)
    assert _of(there, "logical/role_settings", names=[ROLE]) == _of(
        here, "logical/role_settings", names=[ROLE]
    )
    assert belongings_check(here, there, [DATABASE]).ok
    there.execute(compose("GRANT CONNECT ON DATABASE {} TO PUBLIC", name(DATABASE)))
    here.execute(compose("ALTER DATABASE {} SET statement_timeout = '9s'", name(DATABASE)))
    told = belongings_check(here, there, [DATABASE])
    assert told.advice and told.found == "2 lack"
    assert "REVOKE CONNECT ON DATABASE" in told.remedy and "statement_timeout" in told.remedy
    assert not plan_databases(here, there, specs)
