"""Names, publication specs, row filters, passfiles and options: texts in, texts out."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pgnb.core.errors import ParameterError
from pgnb.logical.filters import _bare
from pgnb.logical.names import publication_name, slot_name, subscription_name
from pgnb.logical.options import sql_value, subscription_options
from pgnb.logical.passfile import passfile_line, with_line
from pgnb.logical.publication_spec import MARKER, PublishedTable, parse_publication_spec, qualified
from pgnb.postgres.source import Source

NAMES = (
    "db1",
    "Sales-2026",
    "sales-2026",
    "sales_2026",
    'a "b"; DROP TABLE x;--',
    "百分率 100%s",
    "o'clock=1 \\ b",
    "a\\b",
    "a_b",
    "k" * 59,
    "k" * 60,
    "k" * 63,
    "k" * 62 + "l",
    "顧" * 21,
    "顧" * 20 + "客",
    " ",
    "-",
    "😀" * 15,
)


@pytest.mark.parametrize("database", NAMES)
def test_derived_names_are_names(database: str) -> None:
    for derived in (publication_name(database), subscription_name(database)):
        assert 0 < len(derived.encode()) <= 63
    assert "\\" not in publication_name(database)
    assert re.fullmatch(r"[a-z0-9_]{1,63}", slot_name(subscription_name(database)))


@pytest.mark.parametrize("derive", [publication_name, subscription_name, lambda d: slot_name(f"sub_{d}")])
def test_different_databases_get_different_names(derive: Callable[[str], str]) -> None:
    assert len({derive(database) for database in NAMES}) == len(NAMES)


def test_ordinary_names_stay_as_the_procedure_has_them() -> None:
    assert (publication_name("db1"), subscription_name("db1"), slot_name("sub_db1")) == (
        "pub_db1",
        "sub_db1",
        "sub_db1",
    )
    assert slot_name("sub_Sales-2026") != slot_name("sub_sales_2026")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("t", ("public", "t")),
        ("App.T", ("App", "T")),
        ('"Year.End"."Order ""x"""', ("Year.End", 'Order "x"')),
        ("s.*", ("s", "*")),
        ("顧客", ("public", "顧客")),
    ],
)
def test_a_qualified_name(text: str, wanted: tuple[str, str]) -> None:
    assert qualified(text) == wanted


@pytest.mark.parametrize("text", ["", "a.b.c", '"open', ".t", "s."])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ParameterError, match="cannot be published"):
        qualified(text)


def test_publication_specs() -> None:
    assert parse_publication_spec("all").all_tables
    desired = parse_publication_spec(["app.*", {"table": "t", "columns": ["a"], "where": "a > 0"}])
    assert (desired.schemas, desired.tables) == (
        ("app",),
        (PublishedTable("public", "t", ("a",), "a > 0"), MARKER),
    )
    assert desired.needs_15
    assert not parse_publication_spec(["t"]).needs_15
    assert "pgnb" not in desired.summary


@pytest.mark.parametrize(
    "published",
    [
        [],
        "some",
        3,
        [{"table": "t", "rows": "x"}],
        [{"columns": ["a"]}],
        ["t", "public.t"],
        [{"table": "s.*", "where": "a > 0"}],
    ],
)
def test_publication_specs_that_mean_nothing(published: object) -> None:
    with pytest.raises(ParameterError):
        parse_publication_spec(published)


@pytest.mark.parametrize(
    ("text", "bare"),
    [("((a > 0))", "a > 0"), ("(a) OR (b)", "(a) OR (b)"), (" (a\n=  1) ", "a = 1"), ("", "")],
)
def test_only_the_outer_parentheses_are_taken_off(text: str, bare: str) -> None:
    assert _bare(text) == bare


def test_a_passfile_keeps_the_lines_of_others() -> None:
    source = Source("pub", 5432, "repl:1", "s")
    first = with_line("other:5432:*:x:secret\n", passfile_line(source, r"p:a\s"))
    assert first == "other:5432:*:x:secret\n" + r"pub:5432:*:repl\:1:p\:a\\s" + "\n"
    again = with_line(first, passfile_line(source, "new"))
    assert again == "other:5432:*:x:secret\n" + r"pub:5432:*:repl\:1:new" + "\n"
    assert with_line(again, "other:5432:*:x:secret") == again, "each keeps its place, whoever comes last"


def test_options_are_spelled_as_sql_has_them() -> None:
    assert [sql_value(v) for v in (True, "on", "OFF", "parallel", False)] == [
        "true",
        "true",
        "false",
        "parallel",
        "false",
    ]


def server(major: int) -> Any:
    return SimpleNamespace(present=True, facts=SimpleNamespace(major=major, version_text=f"{major}.1"))


@pytest.mark.parametrize(
    ("here", "there", "chosen"),
    [
        (14, 18, {"streaming": "on"}),
        (18, 15, {"streaming": "on"}),
        (16, 16, {"streaming": "parallel"}),
        (17, 18, {"streaming": "parallel", "failover": True}),
    ],
)
def test_the_default_options_are_those_of_the_older_version(
    here: int, there: int, chosen: dict[str, Any]
) -> None:
    assert subscription_options(server(here), server(there)) == chosen


def test_parallel_streaming_takes_a_subscriber_of_16() -> None:
    desired = {"streaming": "parallel"}
    assert subscription_options(server(15), server(16), desired) == desired
    with pytest.raises(ParameterError, match="needs PostgreSQL 16"):
        subscription_options(server(18), server(15), desired)
