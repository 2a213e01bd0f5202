"""Section 12.8's first step, a database on the publisher; and which databases are replicated by default."""

from __future__ import annotations

import pytest
from trouble_stage import Stage, carry_out

from pgnb.core.errors import GateClosed, ParameterError, QueryFailed
from pgnb.logical.add_database import plan_new_database
from pgnb.logical.specs import database_specs
from pgnb.observe.scratch import Scratch

HARD = 'New "DB" 100%; --{}'
DDL = "CREATE TABLE t (id int PRIMARY KEY)"


def names(stage: Stage) -> list[str]:
    return [row["name"] for row in stage.publisher.query("databases")]


def test_a_new_database_has_its_name_once_its_content_is_there(stage: Stage) -> None:
    before = names(stage)
    with pytest.raises(QueryFailed, match="already exists"):
        carry_out(plan_new_database(stage.publisher, HARD, create=True, ddl=f"{DDL}; {DDL}"))
    assert HARD not in names(stage)
    assert HARD not in database_specs(stage.publisher).databases
    assert sorted(database_specs(stage.publisher).databases) == sorted({*before} - {"postgres"})
    carry_out(plan_new_database(stage.publisher, HARD, create=True, ddl=DDL, owner="postgres"))
    assert sorted(names(stage)) == sorted([*before, HARD])
    assert stage.publisher.query("SELECT * FROM t", database=HARD) == []
    assert not plan_new_database(stage.publisher, HARD, create=True, ddl=DDL)


def test_sql_whose_tables_could_not_be_updated_once_published_is_rolled_back(stage: Stage) -> None:
    ddl = "CREATE TABLE log (line text); CREATE TABLE t (id int PRIMARY KEY)"
    before = names(stage)
    with pytest.raises(GateClosed, match="no primary key: log") as stopped:
        carry_out(
            plan_new_database(stage.publisher, "keyless", create=True, ddl=ddl, allow_replica_identity=False)
        )
    assert "there is no database keyless" in stopped.value.remedy
    assert "keyless" not in names(stage)
    carry_out(
        plan_new_database(
            stage.publisher,
            "keyless",
            create=True,
            ddl=ddl,
            operations="insert",
            allow_replica_identity=False,
        )
    )
    assert sorted(names(stage)) == sorted([*before, "keyless"])
    stage.publisher.close_sessions()
    stage.publisher.execute("DROP DATABASE keyless")


def test_without_sql_it_is_made_by_its_name_and_a_slip_is_not(stage: Stage) -> None:
    carry_out(plan_new_database(stage.publisher, "bare", create=True))
    assert "bare" in names(stage)
    with pytest.raises(ParameterError, match="no database 'Bare'"):
        plan_new_database(stage.publisher, "Bare", create=False)


def test_what_pgnb_made_for_a_while_is_not_replicated_unless_it_is_named(stage: Stage) -> None:
    scratch = Scratch(stage.publisher, "a test of 04")
    scratch.plan_create().apply()
    for statement in (
        "CREATE DATABASE pgnb_service",
        "CREATE DATABASE pgnb_archive",
        "COMMENT ON DATABASE pgnb_archive IS 'ours, whatever it is called'",
    ):
        stage.publisher.execute(statement)
    chosen = database_specs(stage.publisher).databases
    assert {"a test of 04", "pgnb_service", "postgres"}.isdisjoint(chosen)
    assert "pgnb_archive" in chosen
    assert database_specs(stage.publisher, ["pgnb_service"]).databases == ("pgnb_service",)
