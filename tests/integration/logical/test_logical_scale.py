"""Section 12.4 with many tables: as many queries as with few, and counts of a hundred in one statement."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from logical_pair import Pair, carry_out

from pgnb.logical.initial_copy import copy_progress, wait_copied
from pgnb.logical.preflight import logical_preflight
from pgnb.logical.row_counts import compare_row_counts
from pgnb.logical.schema_diff import compare_schemas
from pgnb.logical.specs import Specs
from pgnb.logical.status import logical_status
from pgnb.postgres import Session

pytestmark = pytest.mark.long

FEW, MANY = 3, 90
_TABLE = "CREATE TABLE t{n} (id serial PRIMARY KEY, data text); INSERT INTO t{n} (data) VALUES ('a'), ('b')"


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return how many statements were sent since the last call."""
    sent = [0]
    run = Session._run

    def counted(session: Session, *arguments: object) -> object:
        sent[0] += 1
        return run(session, *arguments)

    monkeypatch.setattr(Session, "_run", counted)

    def look() -> int:
        found, sent[0] = sent[0], 0
        return found

    return look


def _made(pair: Pair, database: str, tables: int) -> Specs:
    pair.make_database(database, ";".join(_TABLE.format(n=n) for n in range(tables)))
    return pair.specs(database)


def test_the_number_of_tables_costs_no_round_trip(pair: Pair, statements: Callable[[], int]) -> None:
    found = {}
    for database, tables in (("few", FEW), ("many", MANY)):
        specs = _made(pair, database, tables)
        statements()
        assert logical_preflight(pair.publisher, pair.subscriber, specs).ok
        for change in pair.plans(specs):
            carry_out(change)
        assert compare_schemas(pair.publisher, pair.subscriber, specs.databases).same
        copy_progress(pair.publisher, pair.subscriber, specs)
        logical_status(pair.publisher, pair.subscriber, specs)
        found[database] = statements()
        wait_copied(pair.publisher, pair.subscriber, specs, timeout=60)
        statements()
        counted = compare_row_counts(pair.publisher, pair.subscriber, specs[0])
        assert (counted.tables, counted.rows, counted.different) == (tables + 1, 2 * tables, ())
        found[database, "count"] = statements()
    assert found["many"] == found["few"]
    assert found["many", "count"] == found["few", "count"]
