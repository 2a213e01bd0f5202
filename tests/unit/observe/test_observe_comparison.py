"""What counts of both sides say."""

from __future__ import annotations

import pytest

from pgnb.core.journal import Journal
from pgnb.observe.comparison import LOGICAL, Comparison, Comparisons, State, TableCount
from pgnb.observe.counting import merged, same_place

EXACT = State("shop", "0/5000068", True, 1, 0.01)
BOUNDED = State("shop", "", False, 99, 5.0)


def count(primary: int | None, standby: int | None, after: int | None = None, **more: bool) -> TableCount:
    return TableCount("shop", "public", "orders", primary, standby, after, **more)


def comparison(*tables: TableCount, state: State = EXACT) -> Comparison:
    return Comparison("primary", "standby", tables, (state,))


@pytest.mark.parametrize(
    ("table", "verdict", "difference"),
    [
        (count(5, 5), "equal", 0),
        (count(0, 0), "equal", 0),
        (count(5, 4), "differs", -1),
        (count(5, 7), "differs", 2),
        (count(5, None), "only on the primary", -5),
        (count(None, 5), "only on the standby", 5),
        (count(5, 7, 9), "within bounds", 0),
        (count(9, 7, 5), "within bounds", 0),
        (count(5, 5, 5), "equal", 0),
        (count(5, 4, 9), "differs", -1),
        (count(5, 12, 9), "differs", 3),
        (count(None, None, unreadable=True), "unreadable", 0),
    ],
)
def test_verdict(table: TableCount, verdict: str, difference: int) -> None:
    assert (table.verdict, table.difference) == (verdict, difference)


def test_a_table_created_or_dropped_while_counting_is_no_difference() -> None:
    key = ("public", "new")
    (created,) = merged("shop", {}, {key: 3}, {key: 5})
    (not_yet,) = merged("shop", {}, {}, {key: 5})
    (dropped,) = merged("shop", {key: 5}, {}, {})
    assert [t.verdict for t in (created, not_yet, dropped)] == ["within bounds"] * 3


def test_an_empty_table_that_the_standby_lacks_is_missed() -> None:
    (missing,) = merged("shop", {("public", "t"): 0}, {})
    assert missing.verdict == "only on the primary"
    assert not missing.ok


def test_what_differs_stands_first_and_all_of_it() -> None:
    tables = [TableCount("shop", "public", f"t{n}", n, n) for n in range(100)]
    tables[3] = TableCount("shop", "public", "t3", 3, 2)
    found = comparison(*tables)
    assert found.finding == "1 of 100 tables differs between primary and standby"
    assert found.table.rows[0][1] == "t3"
    assert "70 tables more" in found.table.note


def test_finding_says_exactly_what_was_compared() -> None:
    assert comparison(count(5, 5)).finding == "The one table has the same rows on both sides: 5 in total"
    assert "had in the meantime" in comparison(count(5, 6, 7), state=BOUNDED).finding
    assert comparison().finding == "No table to compare"
    unread = comparison(count(5, 5), count(None, None, unreadable=True)).finding
    assert unread.endswith("1 table could not be read")


def test_checks_name_the_table_and_how_many_rows_are_missing() -> None:
    checks = comparison(count(5, 3)).checks(Journal())
    assert [(check.name, check.found) for check in checks.failed] == [("rows in shop", "orders (-2)")]
    assert comparison(count(5, 5)).checks(Journal()).ok
    assert not comparison().checks(Journal()).ok


@pytest.mark.parametrize(
    ("inserted", "flushed", "same"),
    [
        (1000, 1000, True),
        (8192 + 24, 8192, True),
        (8192 + 40, 8192, True),
        (8192 + 48, 8192, False),
        (1024, 1000, False),
        (8192, 8192 - 24, False),
    ],
)
def test_a_pages_header_is_no_unflushed_wal(inserted: int, flushed: int, same: bool) -> None:
    assert same_place(inserted, flushed) is same


def test_several_standbys_are_named_and_the_worst_is_the_one_that_differs() -> None:
    same = Comparison("p", "one", (count(5, 5),), (EXACT,))
    other = Comparison("p", "two", (count(5, 4),), (EXACT,))
    both = Comparisons((same, other))
    assert both.worst is other
    assert [c.name for c in both.checks(Journal()).failed] == ["two: rows in shop"]
    assert Comparisons((same,)).checks(Journal()).ok
    assert same.finding in str(both)
    assert other.finding in both._repr_html_()


def test_logical_replication_has_other_words_and_another_remedy() -> None:
    tables = (count(5, 4), TableCount("shop", "public", "standby_log", 1, None))
    found = Comparison("pub", "sub", tables, (BOUNDED,), sides=LOGICAL)
    assert found.finding == "2 of 2 tables differ between publisher and subscriber"
    assert found.table.columns[2:4] == ("publisher", "subscriber")
    assert [str(row[-1]) for row in found.table.rows] == ["differs", "only on the publisher"]
    assert found.table.rows[1][1] == "standby_log"
    assert "the subscriber was counted between two counts of the publisher" in found.table.note
    (failed,) = found.checks(Journal()).failed
    assert failed.wanted == "as on the publisher"
    assert "12.9" in failed.remedy
    assert "base backup" not in failed.remedy
