"""Failures in the middle of the initial copy, and a set-up that continues from what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from logical_pair import PUBLISHER, PUBLISHER_ARGS, SUBSCRIBER, SUBSCRIBER_ARGS, Pair, carry_out, start_pair

from pgnb.core.errors import ChangeFailed
from pgnb.core.wait import wait_until
from pgnb.logical.databases import plan_databases
from pgnb.logical.initial_copy import copy_progress
from pgnb.logical.markers import verify_marker_rows
from pgnb.logical.roles import plan_roles
from pgnb.logical.row_comparison import compare_published
from pgnb.logical.schema import plan_schema
from pgnb.logical.specs import Specs
from pgnb.postgres import Server
from pgnb.postgres.config.configure import plan_settings

pytestmark = pytest.mark.long

ROWS = 300_000
_STARTED = "SELECT pg_postmaster_start_time()"


@pytest.fixture(scope="module")
def slow(module_namespace: str, kubeconfig: Path, start_postgres: Callable[..., Any]) -> Iterator[Pair]:
    """A pair whose walsenders and workers time out soon: hanging connections are not tested here."""
    impatient = (*PUBLISHER_ARGS, "-c", "wal_sender_timeout=5s")
    made = start_pair(str(kubeconfig), module_namespace, start_postgres, args=(impatient, SUBSCRIBER_ARGS))
    carry_out(plan_settings(made.subscriber, {"wal_receiver_timeout": "5s"}))
    yield made
    made.close()


def _begin(pair: Pair, database: str) -> Specs:
    """Create a database whose copy takes a moment."""
    pair.make_database(
        database,
        "CREATE TABLE big (id int PRIMARY KEY, filling text)",
        f"INSERT INTO big SELECT n, repeat('x', 200) FROM generate_series(1, {ROWS}) n",
    )
    return pair.specs(database)


def _kill_in_the_copy(pair: Pair, specs: Specs, server: Server) -> None:
    """Send SIGQUIT to the postmaster, which ends without a shutdown, while a copy waits for a row lock.

    The other copy has finished and committed by then: a crash between the drop of a slot and its copy's
    commit is tested with 12.9.
    """
    plans = iter(pair.plans(specs, options={"synchronous_commit": "on"}))
    for change in islice(plans, 6):  # All except the subscriptions.
        carry_out(change)
    with pair.subscriber.new_session(specs[0].database) as holder:
        holder.execute("BEGIN READ WRITE")
        holder.execute("INSERT INTO big VALUES (%s)", (ROWS // 2,))
        carry_out(next(plans))
        wait_until(
            "rows in progress",
            lambda: copy_progress(pair.publisher, pair.subscriber, specs).tables,
            lambda tables: all(table.ready if table.table == "marker" else table.rows for table in tables),
            timeout=60,
            every=0.01,
        )
        argv = ["sh", "-c", "kill -QUIT 1"]
        server.cluster.exec(server.pod, argv, check=False, changes="crash the server")


@pytest.mark.parametrize("workload", [PUBLISHER, SUBSCRIBER])
def test_a_server_that_crashes_in_the_copy(slow: Pair, workload: str) -> None:
    specs = _begin(slow, f"crash {workload}")
    server = slow.publisher if workload == PUBLISHER else slow.subscriber
    before = server.scalar(_STARTED)
    _kill_in_the_copy(slow, specs, server)
    wait_until("the restart", lambda: server.scalar(_STARTED), lambda now: now != before, timeout=60)
    slow.set_up(specs)
    verify_marker_rows(slow.publisher, slow.subscriber, specs, timeout=60)
    rows = compare_published(slow.publisher, slow.subscriber, specs)
    assert not rows.different, rows
    assert rows.rows == ROWS + 1


def test_a_schema_that_fails_leaves_nothing(slow: Pair) -> None:
    for database in ("whole", "broken"):
        slow.make_database(database, "CREATE TABLE one (id int PRIMARY KEY)")
    specs = slow.specs("whole", "broken")
    carry_out(plan_roles(slow.publisher, slow.subscriber, specs))
    carry_out(plan_databases(slow.publisher, slow.subscriber, specs))
    slow.publisher.execute("CREATE ROLE late")
    slow.publisher.execute("GRANT SELECT ON one TO late", database="broken")
    with pytest.raises(ChangeFailed, match='1 of 2 failed: broken: role "late" does not exist'):
        plan_schema(slow.publisher, slow.subscriber, specs, slow.origin).apply()
    count = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    found = {name: slow.subscriber.scalar(count, database=name) for name in ("whole", "broken")}
    assert found == {"whole": 1, "broken": 0}
    slow.set_up(specs)
    assert slow.subscriber.scalar(count, database="broken") == 1
