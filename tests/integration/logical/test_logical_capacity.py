"""The numbers of slots, senders and workers that are requested: with exactly those, nothing has to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from logical_pair import Pair, carry_out, start_pair

from pgnb.core.plan import gate
from pgnb.logical.capacity import worker_settings
from pgnb.logical.conflicts import read_worker_errors
from pgnb.logical.databases import plan_databases
from pgnb.logical.preflight import logical_preflight
from pgnb.logical.schema import plan_schema
from pgnb.postgres.config.configure import plan_settings
from pgnb.postgres.config.restart import plan_pending_restart

pytestmark = pytest.mark.long

DATABASES = [f"d{number}" for number in range(10)]
TABLES = ";".join(f"CREATE TABLE t{n} AS SELECT n FROM generate_series(1, 100) AS n" for n in range(6))


@pytest.fixture(scope="module")
def pair(module_namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]) -> Iterator[Pair]:
    """Two servers with PostgreSQL's defaults."""
    made = start_pair(str(kubeconfig), module_namespace, start_postgres, args=((), ()))
    yield made
    made.close()


def test_ten_databases_are_set_up_with_the_numbers_that_they_need_and_no_more(pair: Pair) -> None:
    for database in DATABASES:
        pair.make_database(database, TABLES)
    specs = pair.specs(*DATABASES)
    assert not logical_preflight(pair.publisher, pair.subscriber, specs).ok
    needs = worker_settings(pair.publisher, pair.subscriber, specs)
    for server, wanted in ((pair.publisher, needs.publisher), (pair.subscriber, needs.subscriber)):
        plan_settings(server, wanted, write_restart=True).apply()
        restart = plan_pending_restart(server, wanted, allow=True)
        gate(restart, allow_restart=True)
        restart.apply()
    assert pair.set_up(specs).ready
    assert read_worker_errors(pair.subscriber).items == ()


def test_a_schema_of_many_tables_gets_room_for_its_locks_before_it_is_loaded(pair: Pair) -> None:
    # PostgreSQL allows more than it promises, but never twice as much.
    room = pair.subscriber.fetch_one("logical/lock_table")
    tables = range(room["locks"] * room["holders"])
    parts = [f"CREATE TABLE many_{number} (id int PRIMARY KEY)" for number in tables]
    pair.make_database("many", *("; ".join(parts[start : start + 500]) for start in tables[::500]))
    needs = worker_settings(pair.publisher, pair.subscriber, pair.specs("many"))
    assert int(needs.subscriber["max_locks_per_transaction"].removeprefix(">= ")) > 2 * room["locks"]
    checks = {one.name: one for one in logical_preflight(pair.publisher, pair.subscriber, pair.specs("many"))}
    assert not checks["subscriber: max_locks_per_transaction"].ok
    plan_settings(pair.subscriber, needs.subscriber, write_restart=True).apply()
    restart = plan_pending_restart(pair.subscriber, needs.subscriber, allow=True)
    gate(restart, allow_restart=True)
    restart.apply()
    carry_out(plan_databases(pair.publisher, pair.subscriber, pair.specs("many")))
    carry_out(plan_schema(pair.publisher, pair.subscriber, pair.specs("many"), pair.origin))
    again = worker_settings(pair.publisher, pair.subscriber, pair.specs("many"))
    assert "max_locks_per_transaction" not in again.subscriber
