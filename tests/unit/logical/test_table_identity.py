"""The rules by which UPDATE and DELETE find their rows, and how rows that do not fit are reported."""

from __future__ import annotations

import pytest
from test_schema_diff import SHAPE

from pgnb.core.errors import ParameterError
from pgnb.logical.catalog import Catalog
from pgnb.logical.conflicts import WorkerError
from pgnb.logical.publication_spec import operations_of, parse_publication_spec
from pgnb.logical.schema_diff import REPLICA_IDENTITY, differences
from pgnb.logical.table_identity import (
    TableIdentity,
    UniqueIndex,
    arrives,
    published_by,
    sent_as,
)

PRIMARY = UniqueIndex("t_pkey", ("id",), primary=True, chosen=False)
CHOSEN = UniqueIndex("t_a_key", ("a",), primary=False, chosen=True)
OTHER = UniqueIndex("t_a_key", ("a",), primary=False, chosen=False)


def table(form: str, *indexes: UniqueIndex, **more: object) -> TableIdentity:
    given = {
        "schema": "public",
        "table": "t",
        "kind": "r",
        "roots": (),
        "parents": (),
        "generated": (),
        "extension": None,
        "bytes": 0,
        "columns": ("id", "a", "v"),
    }
    return TableIdentity(**{**given, **more, "form": form, "indexes": indexes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ours", "theirs", "arrive"),
    [
        (table("d", PRIMARY), table("d", PRIMARY), True),
        (table("i", CHOSEN), table("d", OTHER), False),
        (table("i", CHOSEN), table("i", CHOSEN), True),
        (table("i", CHOSEN), table("d", PRIMARY), False),
        (table("f"), table("d"), True),
        (table("f"), table("d", PRIMARY), True),
        (table("d", PRIMARY), table("f", PRIMARY), True),
        (table("d", PRIMARY), table("f"), False),
        (table("d", PRIMARY), table("n", PRIMARY), True),
    ],
)
def test_rows_are_found_by_what_the_publisher_sends(
    ours: TableIdentity, theirs: TableIdentity, arrive: bool
) -> None:
    assert arrives(ours, theirs) == arrive


@pytest.mark.parametrize(
    ("ours", "theirs", "effects"),
    [
        (table("i", CHOSEN), table("d", OTHER), ["risk"]),
        (table("i", CHOSEN), table("i", UniqueIndex("x", ("a",), False, True)), []),
        (table("f"), table("d", PRIMARY), ["later"]),
    ],
)
def test_a_schema_s_difference_is_judged_by_columns_not_by_names(
    ours: TableIdentity, theirs: TableIdentity, effects: list[str]
) -> None:
    sides = [Catalog("db", {("public", "t"): SHAPE}, {}, {("public", "t"): one}) for one in (ours, theirs)]
    assert [d.effect for d in differences(*sides) if d.what == REPLICA_IDENTITY] == effects


def test_the_shortest_index_becomes_the_identity_else_the_whole_row() -> None:
    assert table("n", OTHER, PRIMARY).with_identity().key == CHOSEN
    assert table("d").with_identity().form == "f"
    assert table("d", PRIMARY).with_identity() == table("d", PRIMARY)


def test_what_a_publication_holds_and_the_name_it_sends_under() -> None:
    leaf = table("d", PRIMARY, roots=(("public", "mid"), ("public", "root")))
    child = table("d", PRIMARY, parents=(("public", "parent"),))
    assert published_by(parse_publication_spec(["root"]), [leaf, child]) == [leaf]
    assert published_by(parse_publication_spec(["parent"]), [leaf, child]) == [child]
    assert sent_as(parse_publication_spec("all"), leaf, via_root=True) == ("public", "root")
    assert sent_as(parse_publication_spec(["mid"]), leaf, via_root=True) == ("public", "mid")
    assert sent_as(parse_publication_spec("all"), leaf, via_root=False) == leaf.named


def test_operations_are_spelled_as_the_server_does() -> None:
    assert operations_of("DELETE, insert") == "insert, delete"
    with pytest.raises(ParameterError, match="cannot be published"):
        operations_of("")


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ("duplicate key value violates unique constraint", "Key (mail, n)=(a(b)@c, 7) already exists."),
        ('null value in column "v"', "Failing row contains (a(b)@c, null, 7)."),
        ("conflict detected", "existing local row (7, a(b)@c); remote row (7, a(b)@c)"),
        ('invalid input syntax for type integer: "a(b)@c"', ""),
        ('value "a(b)@c" is out of range for type integer', ""),
    ],
)
def test_no_value_of_a_row_is_left(message: str, detail: str) -> None:
    told = WorkerError("other", message, columns="mail", values="a(b)@c", detail=detail).without_values
    assert "a(b)@c" not in f"{told.summary} {told.values}"
    assert "7" not in told.summary
    assert "…" in told.summary
