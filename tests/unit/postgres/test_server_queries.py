"""Named queries: each name in the code has its file, and the right variant is taken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pgnb
from pgnb.core.errors import ParameterError
from pgnb.postgres.facts import NEWEST, OLDEST
from pgnb.postgres.queries import is_name, sql_of

PACKAGE = Path(pgnb.__file__).parent
CALL = re.compile(r"""\b(?:query|fetch_one|scalar)\(\s*["']([^"']+)["']""")


def named_in_the_code() -> set[str]:
    calls = (found for path in PACKAGE.rglob("*.py") for found in CALL.findall(path.read_text("utf-8")))
    return {call for call in calls if is_name(call)}


def test_the_code_does_name_queries():
    assert {"settings", "file_settings", "preflight"} <= named_in_the_code()


@pytest.mark.parametrize("major", range(OLDEST, NEWEST + 1))
@pytest.mark.parametrize("name", sorted(named_in_the_code()))
def test_each_named_query_has_a_file_for_each_version(name, major):
    assert "SELECT" in sql_of(name, major)


def test_a_variant_is_taken_from_its_version_on():
    assert (
        sql_of("hba_rules", 15)
        == sql_of("hba_rules", 14)
        != sql_of("hba_rules", 16)
        == sql_of("hba_rules", 18)
    )
    assert "datcollversion" not in sql_of("preflight", 14)
    assert "datcollversion" in sql_of("preflight", 17)


def test_every_file_is_named_by_something():
    files = {path.name.split(".")[0] for path in (PACKAGE / "postgres" / "queries").glob("*.sql")}
    text = "".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    assert {name for name in files if f'"{name}"' not in text} == set()


@pytest.mark.parametrize("name", ["no_such_query", "../settings", "Settings", "postgres/no_such"])
def test_an_unknown_name_is_an_error_that_says_so(name):
    with pytest.raises(ParameterError, match="quer"):
        sql_of(name, 17)
