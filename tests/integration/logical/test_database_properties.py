"""Settings and privileges of databases and roles, which no dump of one database contains."""

from __future__ import annotations

from typing import Any

import pytest
from logical_pair import Pair, carry_out

from pgnb.core.errors import ChangeFailed, QueryFailed
from pgnb.logical.database_properties import MissingProperty, properties_check
from pgnb.logical.databases import plan_databases
from pgnb.logical.roles import plan_roles
from pgnb.postgres import Server, compose, identifier

DATABASE, ROLE = 'Shop "x"', "keeper 100%"


def _of(server: Any, query: str, **wanted: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in server.query(query, wanted)]


def test_a_database_that_is_made_has_them_and_is_no_wider_open(pair: Pair) -> None:
    here, there, wanted = pair.publisher, pair.subscriber, {"databases": [DATABASE]}
    here.execute(compose("CREATE ROLE {} LOGIN", identifier(ROLE)))
    pair.make_database(DATABASE, "CREATE TABLE t (id int PRIMARY KEY)")
    for statement in (
        'ALTER ROLE {role} SET search_path = "$user", \'My "Schema"\', public',
        "ALTER ROLE {role} IN DATABASE {database} SET work_mem = '5MB'",
        "ALTER DATABASE {database} SET timezone = 'Asia/Tokyo'",
        "ALTER DATABASE {database} SET app.tenant = 'it''s 100% hush'",
        "ALTER ROLE {role} SET app.jwt_secret = 'hush'",
        "ALTER DATABASE {database} SET default_transaction_read_only = off",
        "COMMENT ON DATABASE {database} IS 'orders; 100% of them'",
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "GRANT CONNECT ON DATABASE {database} TO {role} WITH GRANT OPTION",
    ):
        here.execute(compose(statement, role=identifier(ROLE), database=identifier(DATABASE)))
    specs = pair.specs(DATABASE)
    carry_out(plan_roles(here, there, specs))
    change = plan_databases(here, there, specs)
    assert "Asia/Tokyo" in change.diff and "REVOKE" in change.diff
    assert "app.tenant" in change.diff and "hush" not in change.diff
    carry_out(change)
    made = [entry.what for entry in there.journal.entries if entry.target == there.name]
    assert any("app.tenant" in what for what in made) and "hush" not in str(made)
    for query in ("logical/database_settings", "logical/database_grants", "logical/database_comments"):
        assert _of(there, query, **wanted) == _of(here, query, **wanted)
    assert _of(there, "logical/role_settings", names=[ROLE]) == _of(
        here, "logical/role_settings", names=[ROLE]
    )
    assert properties_check(here, there, [DATABASE]).ok
    there.execute(compose("GRANT CONNECT ON DATABASE {} TO PUBLIC", identifier(DATABASE)))
    here.execute(compose("ALTER DATABASE {} SET statement_timeout = '9s'", identifier(DATABASE)))
    told = properties_check(here, there, [DATABASE])
    assert told.advice and told.found == "2 missing"
    assert "REVOKE CONNECT ON DATABASE" in told.remedy and "statement_timeout" in told.remedy
    assert not plan_databases(here, there, specs)


def test_a_database_whose_settings_fail_is_not_there_and_open_to_everybody(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair.publisher, pair.subscriber
    pair.make_database("closed", "CREATE TABLE t (id int PRIMARY KEY)")
    here.execute("REVOKE ALL ON DATABASE closed FROM PUBLIC")
    apply = MissingProperty.apply

    def fails(lacking: MissingProperty, server: Server) -> None:
        apply(lacking, server)
        raise QueryFailed("no such setting here")

    monkeypatch.setattr(MissingProperty, "apply", fails)
    with pytest.raises(ChangeFailed, match="no such setting here"):
        plan_databases(here, there, pair.specs("closed")).apply()
    assert "closed" not in {row["name"] for row in there.query("databases")}
    monkeypatch.undo()
    carry_out(plan_databases(here, there, pair.specs("closed")))
    assert properties_check(here, there, ["closed"]).ok
