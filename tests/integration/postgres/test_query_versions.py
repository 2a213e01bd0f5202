"""Every named query runs on every version, in the variant that is for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import pgnb
from pgnb.postgres import Server, compose, identifier
from pgnb.postgres.queries import sql_of
from pgnb.postgres.rows import Rows
from tests.versions import USUAL, images

_OTHERS = [pytest.param(image, marks=pytest.mark.long) for image in images()]
pytestmark = pytest.mark.parametrize("image", [*_OTHERS, f"postgres:{USUAL}"], indirect=True, scope="module")
FILES = Path(pgnb.__file__).parent.glob("*/queries/*.sql")
NAMES = sorted({f"{path.parent.parent.name}/{path.name.split('.')[0]}" for path in FILES})
COMPOSED = "observe/missing_ids"
"""SQL only once its names are filled in."""
PARAMETER = re.compile(r"%\((\w+)\)s")
VALUES = {
    "bytes": 1000,
    "constraint": "t_pkey",
    "database": "postgres",
    "databases": ["postgres"],
    "form": "stderr",
    "names": ["work_mem"],
    "own": "pgnb_",
    "path": "PG_VERSION",
    "publication": "pub",
    "role": "postgres",
    "schemas": ["public"],
    "scratch": "pgnb",
    "subscription": "sub",
    "tables": ["t"],
}


@pytest.fixture(scope="module")
def server(find: Callable[..., Server], image: str) -> Server:
    """A server of that version."""
    return find("primary", image=image, args=("-c", "wal_level=logical"))


@pytest.mark.parametrize("query", NAMES)
def test_each_named_query_runs(server: Server, query: str) -> None:
    text = sql_of(query, server.facts.major)
    if query == COMPOSED:
        named = {"ids": [1, 2], "table": identifier("pg_catalog", "pg_class"), "column": identifier("oid")}
        assert server.query(compose(text, **named)) == [{"id": 1}, {"id": 2}]
        return
    parameters = {parameter: VALUES[parameter] for parameter in PARAMETER.findall(text)}
    assert isinstance(server.query(query, parameters or None), Rows)
