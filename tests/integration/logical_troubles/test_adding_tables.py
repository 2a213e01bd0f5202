"""Section 12.7: add a table without stalling others, and one that was on the publisher first."""

from __future__ import annotations

import pytest
from trouble_stage import Stage, carry_out

from pgnb.core.checks import verify
from pgnb.core.errors import ChangeFailed, GateClosed, ParameterError
from pgnb.core.plan import Change
from pgnb.logical.add_table import TableSpec, plan_add_table
from pgnb.logical.row_counts import table_checks
from pgnb.logical.specs import DatabaseSpec

NEW = 'CREATE TABLE "New; Table--" (id serial PRIMARY KEY, "Größe %" text)'


def adding(stage: Stage, spec: DatabaseSpec, table: str, ddl: str = "", owner: str = "") -> Change:
    first = """INSERT INTO "New; Table--" ("Größe %") VALUES ('100 % {}')""" if ddl == NEW else ""
    desired = TableSpec(table, ddl, owner, first)
    return plan_add_table(stage.publisher, stage.subscriber, spec, stage.origin, desired)


def proven(stage: Stage, spec: DatabaseSpec, table: str) -> None:
    stage.wait_ready(spec)
    verify(table_checks(stage.publisher, stage.subscriber, spec, table))
    assert stage.diagnose(spec).kinds == frozenset()


@pytest.mark.parametrize(
    "desired",
    [
        "all",
        pytest.param(["t", "u"], marks=pytest.mark.long),
        pytest.param(["public.*"], marks=pytest.mark.long),
    ],
)
def test_a_new_table_is_replicated_whatever_the_kind_of_publication(stage: Stage, desired: object) -> None:
    spec = stage.replicated(f"adding_{len(str(desired))}", desired)
    change = adding(stage, spec, '"New; Table--"', NEW)
    lists = isinstance(desired, list) and "t" in desired
    assert ("ADD TABLE" in str(change)) == lists
    done = carry_out(change)
    assert done.changed
    stage.publisher.execute(
        """INSERT INTO "New; Table--" ("Größe %") VALUES ('a'), ('b')""", database=spec.database
    )
    proven(stage, spec, '"New; Table--"')
    assert stage.same(spec, '"New; Table--"')
    assert len(stage.rows(stage.subscriber, spec, '"New; Table--"')) == 3
    assert not adding(stage, spec, '"New; Table--"', NEW)


def test_a_table_that_stalled_the_subscription_is_made_from_its_dump(stage: Stage) -> None:
    spec = stage.replicated("first_there")
    stage.publisher.execute(
        "CREATE TABLE early (id bigint PRIMARY KEY, v text DEFAULT 'x', UNIQUE (v));"
        " INSERT INTO early VALUES (1, 'one'), (2, 'two'); INSERT INTO t VALUES (90, 'behind it')",
        database="first_there",
    )
    finding = stage.find(spec, "missing-table")
    assert finding.subject == "public.early"
    stage.publisher.execute("INSERT INTO early VALUES (3, 'three')", database="first_there")
    carry_out(adding(stage, spec, "early"))
    proven(stage, spec, "early")
    assert stage.same(spec, "early")
    assert stage.same(spec, "t")


@pytest.mark.long
@pytest.mark.parametrize(
    ("shape", "later"),
    [
        ("PARTITION BY RANGE (id)", "CREATE TABLE later PARTITION OF m FOR VALUES FROM (0) TO (10)"),
        ("", "CREATE TABLE later (PRIMARY KEY (id)) INHERITS (m)"),
    ],
)
def test_a_partition_or_child_that_was_made_later_is_found_and_added(
    stage: Stage, shape: str, later: str
) -> None:
    """As an extension creates them on the publisher alone: no table of the subscription gets changes."""
    spec = stage.replicated(f"later_{len(shape)}")
    database = spec.database
    root = f"CREATE TABLE m (id int PRIMARY KEY) {shape}"
    carry_out(adding(stage, spec, "m", root))
    stage.publisher.execute(
        f"{later}; INSERT INTO later VALUES (1); INSERT INTO t VALUES (90, 'behind it')", database=database
    )
    assert stage.find(spec, "missing-table").subject == "public.later"
    carry_out(adding(stage, spec, "later"))
    stage.wait_ready(spec)
    assert stage.same(spec, "later")
    assert stage.same(spec, "m")
    assert stage.same(spec, "t")
    assert stage.diagnose(spec).kinds == frozenset()


@pytest.mark.parametrize(
    ("table", "ddl", "words"),
    [
        ("missing", "", "is not on the publisher"),
        ("missing", "CREATE TABLE missing (id int PRIMARY KEY); COMMIT", "begins or ends a transaction"),
    ],
)
def test_bad_input_is_refused_before_anything_is_changed(
    stage: Stage, table: str, ddl: str, words: str
) -> None:
    spec = stage.existing("refusals")
    with pytest.raises(ParameterError, match=words):
        adding(stage, spec, table, ddl)


@pytest.mark.parametrize(
    ("ddl", "words"),
    [
        ("CREATE TABLE other (id int PRIMARY KEY)", "does not exist afterwards"),
        ("CREATE TABLE wanted (id int)", "has no primary key"),
    ],
)
def test_sql_that_makes_another_table_or_one_without_a_key_is_rolled_back(
    stage: Stage, ddl: str, words: str
) -> None:
    spec = stage.existing("refusals")
    with pytest.raises(ChangeFailed, match="rolled back") as failed:
        carry_out(adding(stage, spec, "wanted", ddl))
    assert words in str(failed.value)
    for server in (stage.publisher, stage.subscriber):
        tables = "SELECT to_regclass('other') IS NULL AND to_regclass('wanted') IS NULL AS gone"
        assert server.scalar(tables, database="refusals")
    assert stage.diagnose(spec).kinds == frozenset()


def test_tables_that_differ_or_hold_rows_are_not_joined(stage: Stage) -> None:
    spec = stage.replicated("unlike", ["t"])
    stage.publisher.execute("CREATE TABLE d (id int PRIMARY KEY, v text)", database="unlike")
    stage.subscriber.execute("CREATE TABLE d (id int PRIMARY KEY)", database="unlike")
    with pytest.raises(GateClosed, match="differs between the servers"):
        adding(stage, spec, "d")
    stage.subscriber.execute("ALTER TABLE d ADD COLUMN v text; INSERT INTO d VALUES (1)", database="unlike")
    with pytest.raises(GateClosed, match="is empty on the subscriber"):
        adding(stage, spec, "d").apply()


def test_without_replication_there_is_nothing_to_add_to(stage: Stage) -> None:
    for server in (stage.publisher, stage.subscriber):
        server.execute("CREATE DATABASE lonely")
    with pytest.raises(GateClosed, match="is not replicated yet"):
        adding(stage, stage.spec("lonely"), "t", "CREATE TABLE t (id int PRIMARY KEY)")
