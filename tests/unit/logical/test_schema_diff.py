"""What a difference between two schemas does to replication."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgnb.core.journal import Journal
from pgnb.logical.catalog import Catalog, Column, TableShape
from pgnb.logical.schema_diff import Difference, SchemaComparison, differences, fits

ID = Column("id", "integer", True, "", "", None)
V = Column("v", "text", False, "", "", None)
SHAPE = TableShape(
    "public", "t", "r", "p", "d", False, True, {"t_pkey": "PRIMARY KEY (id)"}, {"id": ID, "v": V}
)


def catalog(*tables: TableShape, **enums: tuple[str, ...]) -> Catalog:
    return Catalog(
        "db", {(t.schema, t.name): t for t in tables}, {("public", n): v for n, v in enums.items()}
    )


def compared(ours: TableShape, theirs: TableShape) -> list[tuple[str, str]]:
    return [(d.what, d.effect) for d in differences(catalog(ours), catalog(theirs))]


def with_column(column: Column) -> TableShape:
    return replace(SHAPE, columns={**SHAPE.columns, column.name: column})


def test_equal_schemas_do_not_differ() -> None:
    assert compared(SHAPE, SHAPE) == []
    assert compared(SHAPE, replace(SHAPE, keys={"another_name": "PRIMARY KEY (id)"})) == []


@pytest.mark.parametrize(
    ("theirs", "what", "effect"),
    [
        (replace(SHAPE, columns={"id": ID}), "missing column v", "stops"),
        (with_column(Column("w", "text", True, "", "", None)), "extra column w", "stops"),
        (with_column(Column("w", "text", True, "", "", "'x'")), "extra column w", "later"),
        (with_column(replace(V, type="integer")), "type of v", "risk"),
        (with_column(replace(ID, type="bigint")), "type of id", "later"),
        (with_column(replace(V, not_null=True)), "nullability of v", "risk"),
        (with_column(replace(ID, not_null=False)), "nullability of id", "later"),
        (with_column(replace(ID, identity="a")), "identity of id", "later"),
        (with_column(replace(V, default="'x'")), "default of v", "later"),
        (with_column(replace(V, generated="s", default="id")), "generation of v", "stops"),
        (replace(SHAPE, keys={**SHAPE.keys, "c": "CHECK ((id > 0))"}), "extra constraint", "risk"),
    ],
)
def test_each_difference_and_its_effect(theirs: TableShape, what: str, effect: str) -> None:
    assert (what, effect) in compared(SHAPE, theirs)


def test_a_full_row_is_found_without_a_key() -> None:
    full = replace(SHAPE, replica_identity="f", keys={})
    assert compared(full, replace(SHAPE, keys={})) == []


def test_a_table_that_nobody_publishes_stops_nothing() -> None:
    private = replace(SHAPE, published=False)
    assert [d.effect for d in differences(catalog(private), catalog())] == ["later"]
    assert [d.effect for d in differences(catalog(private), catalog(), all_published=True)] == ["stops"]
    assert [(d.what, d.effect) for d in differences(catalog(), catalog(SHAPE))] == [("extra table", "later")]


def test_an_index_is_compared_by_what_it_says() -> None:
    ours = replace(
        SHAPE, keys={**SHAPE.keys, '"A b"': 'CREATE UNIQUE INDEX "A b" ON public.t USING btree (v)'}
    )
    theirs = replace(SHAPE, keys={**SHAPE.keys, "c": "CREATE UNIQUE INDEX c ON public.t USING btree (v)"})
    assert compared(ours, theirs) == []


def test_labels_of_an_enumeration() -> None:
    (found,) = differences(catalog(mood=("a", "b")), catalog(mood=("a",)))
    assert (found.what, found.publisher, found.effect) == ("labels of the type public.mood", "has b", "risk")


def test_the_checks_stop_for_what_stops() -> None:
    stop = Difference("db", "t", "missing column v", "text", "–", "stops")
    risk = Difference("db", "t", "type of v", "text", "integer", "risk")
    checks = SchemaComparison(("db",), 1, (stop, risk), ("gone",)).checks(Journal())
    assert [c.name for c in checks.failed] == ["database gone", "db: what stops replication"]
    assert SchemaComparison(("db",), 1, (risk,)).checks(Journal()).ok


@pytest.mark.parametrize(
    ("publisher", "subscriber", "wanted"),
    [
        ("integer", "bigint", True),
        ("bigint", "integer", False),
        ("integer", "numeric", True),
        ("character varying(10)", "character varying(20)", True),
        ("character varying(10)", "text", True),
        ("text", "character varying(10)", False),
        ("numeric(10,2)", "numeric(12,2)", True),
        ("numeric(10,2)", "numeric(10,4)", False),
        ("numeric(10,2)", "numeric", True),
        ("character(3)", "character(4)", False),
        ("public.mood", "text", False),
        ("real", "double precision", True),
    ],
)
def test_a_wider_type_takes_every_value(publisher: str, subscriber: str, wanted: bool) -> None:
    assert fits(publisher, subscriber) == wanted
