"""UPDATE and DELETE arrive: the subscriber has the publisher's identities before a publication exists."""

from __future__ import annotations

from typing import Any

import pytest
from logical_pair import Pair, carry_out

from pgnb.core.errors import GateClosed, ParameterError, QueryFailed
from pgnb.core.plan import gate
from pgnb.core.wait import wait_until
from pgnb.diagnosis.logical import diagnose_logical
from pgnb.logical.arrival import wait_applied
from pgnb.logical.databases import plan_databases
from pgnb.logical.identity import identity_checks, plan_replica_identity, plan_subscriber_identity
from pgnb.logical.markers import plan_markers
from pgnb.logical.publications import plan_publications
from pgnb.logical.remedies import RemedyChoice, plan_remedy
from pgnb.logical.schema import plan_schema
from pgnb.logical.schema_diff import REPLICA_IDENTITY, compare_schemas
from pgnb.logical.specs import Specs
from pgnb.logical.subscriptions import plan_subscriptions
from pgnb.practices.practices import publication_checks

SHAPES = (
    "CREATE TABLE plain (id int PRIMARY KEY, v text)",
    "CREATE TABLE by_index (a int NOT NULL, b text, UNIQUE (a))",
    "CREATE TABLE by_two (a int NOT NULL, b int NOT NULL, v text, UNIQUE (b, a))",
    "CREATE TABLE nothing (id int PRIMARY KEY, v text); ALTER TABLE nothing REPLICA IDENTITY NOTHING",
    "CREATE TABLE full_row (a int, v text)",
    "CREATE TABLE keyed_full (id int PRIMARY KEY, v text); ALTER TABLE keyed_full REPLICA IDENTITY FULL",
    "CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE, v text)",
    "CREATE TABLE parted (at int NOT NULL, v text, UNIQUE (at)) PARTITION BY RANGE (at)",
    "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20)",
    "CREATE TABLE parent (id int NOT NULL UNIQUE, v text)",
    "CREATE TABLE child (UNIQUE (id)) INHERITS (parent)",
)
NAMES = {
    "plain": "id",
    "by_index": "a",
    "by_two": "a",
    "nothing": "id",
    "full_row": "a",
    "keyed_full": "id",
    "deferred": "id",
    "parted": "at",
    "child": "id",
}


def _rows(table: str) -> str:
    if table == "by_two":
        return "INSERT INTO by_two SELECT n, 1, 'first' FROM generate_series(1, 15) AS n"
    key, column = NAMES[table], "b" if table == "by_index" else "v"
    return f"INSERT INTO {table} ({key}, {column}) SELECT n, 'first' FROM generate_series(1, 15) AS n"


def _as_the_notebook_had_it(pair: Pair, specs: Specs, **options: Any) -> None:
    """Run section 12 in its order: the schema is copied before the identities are set."""
    here, there = pair.publisher, pair.subscriber
    carry_out(plan_databases(here, there, specs))
    carry_out(plan_schema(here, there, specs, pair.origin))
    carry_out(plan_replica_identity(here, specs))
    carry_out(plan_subscriber_identity(here, there, specs))
    carry_out(plan_markers(here, there, specs))
    carry_out(plan_publications(here, specs))
    carry_out(plan_subscriptions(here, there, specs, pair.origin, **options))


def _changes_arrive(pair: Pair, specs: Specs) -> None:
    (spec,) = specs
    for table, key in NAMES.items():
        value = "b" if table == "by_index" else "v"
        for statement in (
            f"UPDATE {table} SET {value} = 'second' WHERE {key} = 3",
            f"DELETE FROM {table} WHERE {key} IN (5, 12)",
        ):
            pair.publisher.execute(statement, database=spec.database)
    wait_applied(pair.publisher, pair.subscriber, specs, timeout=30)
    for table in NAMES:
        query = f"SELECT pg_catalog.json_agg(t ORDER BY t::text)::text AS rows FROM {table} AS t"
        both = [server.scalar(query, database=spec.database) for server in (pair.publisher, pair.subscriber)]
        assert both[0] == both[1], table
        assert "second" in both[0], table


@pytest.mark.long
@pytest.mark.parametrize("via_root", [False, True])
def test_update_and_delete_of_every_kind_of_table_arrive(pair: Pair, via_root: bool) -> None:
    database = f"identities_{via_root}".lower()
    pair.make_database(database, *SHAPES, *map(_rows, NAMES))
    specs = pair.specs(database, via_root=via_root)
    _as_the_notebook_had_it(pair, specs)
    pair.wait_copied(specs)
    assert identity_checks(pair.publisher, pair.subscriber, specs).ok
    compared = compare_schemas(pair.publisher, pair.subscriber, specs.databases)
    assert not [d for d in compared.differences if d.what == REPLICA_IDENTITY], compared
    assert not diagnose_logical(pair.publisher, pair.subscriber, specs).findings
    _changes_arrive(pair, specs)
    assert not any(list(pair.plans(specs)))


def test_an_index_of_another_name_serves_and_none_is_refused_before_the_publication(pair: Pair) -> None:
    pair.make_database(
        "other_names",
        "CREATE TABLE t (a int NOT NULL, v text); CREATE UNIQUE INDEX ours ON t (a);"
        " ALTER TABLE t REPLICA IDENTITY USING INDEX ours",
    )
    pair.subscriber.execute("CREATE DATABASE other_names")
    pair.subscriber.execute("CREATE TABLE t (a int NOT NULL, v text)", database="other_names")
    specs = pair.specs("other_names")
    change = plan_subscriber_identity(pair.publisher, pair.subscriber, specs)
    with pytest.raises(GateClosed, match="identity"):
        gate(change.precheck() if change.precheck else change)
    assert not identity_checks(pair.publisher, pair.subscriber, specs).ok
    pair.subscriber.execute("CREATE UNIQUE INDEX theirs ON t (a)", database="other_names")
    done = plan_subscriber_identity(pair.publisher, pair.subscriber, specs).apply()
    assert identity_checks(pair.publisher, pair.subscriber, specs).ok
    assert done.undo is not None
    done.undo().apply()
    assert not identity_checks(pair.publisher, pair.subscriber, specs).ok


@pytest.mark.long
def test_a_subscriber_without_the_key_is_found_before_the_first_update_and_remedied_after(pair: Pair) -> None:
    pair.make_database(
        "lost_key",
        "CREATE TABLE t (a int NOT NULL UNIQUE, v text)",
        "INSERT INTO t SELECT n, 'first' FROM generate_series(1, 10) AS n",
    )
    specs = pair.specs("lost_key")
    _as_the_notebook_had_it(pair, specs)
    pair.wait_copied(specs)
    pair.subscriber.execute("ALTER TABLE t REPLICA IDENTITY DEFAULT", database="lost_key")
    before = diagnose_logical(pair.publisher, pair.subscriber, specs)
    assert before.kinds == frozenset({"cannot-arrive"}), before
    pair.publisher.execute("UPDATE t SET v = 'second' WHERE a = 3", database="lost_key")
    stuck = wait_until(
        "the apply to stop",
        lambda: diagnose_logical(pair.publisher, pair.subscriber, specs),
        lambda found: "no-replica-identity" in found.kinds,
        timeout=30,
    )
    assert {finding.remedy_id for finding in stuck} == {"identity"}
    choice = RemedyChoice("identity", "lost_key")
    change = plan_remedy(pair.publisher, pair.subscriber, specs, stuck, pair.origin, choice)
    gate(change, confirm_remedy=specs[0].subscription)
    change.apply()
    wait_applied(pair.publisher, pair.subscriber, specs, timeout=30)
    query = "SELECT v FROM t WHERE a = 3"
    assert pair.subscriber.scalar(query, database="lost_key") == "second"


ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, status text, note text)"
RATES = 'CREATE TABLE "%s % off" (id int PRIMARY KEY, "50%" int)'
OUTSIDE = [
    ({"table": "orders", "where": "status = 'open'"}, "reads status"),
    ({"table": "%s % off", "where": '"50%" % 2 = 0'}, "reads 50%"),
    ({"table": "orders", "columns": ["status", "note"]}, "lacks id"),
    ({"table": "orders", "where": "no_such > 0"}, "no_such"),
    ({"table": "orders", "where": "id > 0); DROP TABLE orders; --"}, "row filter"),
    ({"table": "keyless", "columns": ["a"]}, "FULL"),
    ({"table": "parted", "where": "at > 5"}, "partitioned table"),
]


@pytest.mark.parametrize(("part", "words"), OUTSIDE)
def test_a_part_outside_the_identity_is_refused_before_the_publication(
    pair: Pair, part: dict[str, Any], words: str
) -> None:
    if "filtered" not in {row["name"] for row in pair.publisher.query("databases")}:
        pair.make_database("filtered", ORDERS, RATES, "CREATE TABLE keyless (a int, b int)", *SHAPES[7:9])
    specs = pair.specs("filtered", filtered=[part])
    with pytest.raises(GateClosed, match=words) as refused:
        plan_publications(pair.publisher, specs).apply()
    assert part["table"] in str(refused.value.found)
    assert not pair.publisher.query("SELECT 1 FROM pg_publication", database="filtered")
    pair.publisher.execute("UPDATE orders SET note = 'x'", database="filtered")


def test_parts_within_the_identity_and_inserts_alone_are_published(pair: Pair) -> None:
    pair.make_database("within", ORDERS, "INSERT INTO orders VALUES (1, 'open', 'a'), (2, 'shut', 'b')")
    inserts = pair.specs(
        "within", operations="insert", within=[{"table": "orders", "where": "status = 'open'"}]
    )
    pair.set_up(inserts)
    pair.publisher.execute("UPDATE orders SET note = 'x'", database="within")
    assert pair.subscriber.scalar("SELECT count(*) FROM orders", database="within") == 1
    with pytest.raises(ParameterError, match="cannot be published"):
        pair.specs("within", operations="insert, upsert")


def test_tables_made_later_without_a_key_are_found(pair: Pair) -> None:
    pair.make_database("later", ORDERS)
    specs = pair.specs("later")
    pair.set_up(specs)
    pair.publisher.execute("CREATE TABLE keyless (i int)", database="later")
    with pytest.raises(QueryFailed, match="replica identity"):
        pair.publisher.execute("INSERT INTO keyless VALUES (1); DELETE FROM keyless", database="later")
    found = diagnose_logical(pair.publisher, pair.subscriber, specs)
    finding = found.find("unidentified-table")
    assert finding is not None
    assert (finding.subject, finding.severity) == ("public.keyless", "broken")
    (practice,) = publication_checks(pair.publisher)
    assert (practice.ok, practice.advice) == (False, True)
    assert "later: public.keyless: no replica identity" in str(practice.found)
    pair.publisher.execute("DROP TABLE keyless", database="later")
    assert publication_checks(pair.publisher, strict=True).ok
