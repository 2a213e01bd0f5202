"""Rows counted on both sides."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import Figure, in_turn
from benchmarks.ground import Ground, Size
from pgnb.observe.counting import compare_counts
from pgnb.observe.scratch import Scratch
from pgnb.postgres import Server

_SAMPLE = 20


def thousand_tables(ground: Ground, size: Size) -> Sequence[Figure]:
    """Exact counts on primary and standby, compared; against one exec a table, and one session each side."""
    tables = size.many(1000)
    turns = min(_SAMPLE, tables)
    standby = ground.standby  # Before the primary: making one restarts it.
    servers = (ground.primary, standby)
    with Scratch(ground.primary, "bench_counts") as scratch:
        made = "; ".join(f"CREATE TABLE t{number} (id int)" for number in range(tables))
        ground.primary.execute(made, database=scratch.database)

        def compare() -> None:
            compare_counts(*servers, [scratch.database])

        def loop() -> None:
            for number in range(turns):
                ground.psql(f"SELECT count(*) FROM t{number}", database=scratch.database)

        def sessions() -> None:
            for server in servers:
                _plainly(server, scratch.database, tables)

        repetitions = size.many(min(3, size.repetitions))
        mine, sampled = in_turn(compare, loop, repetitions)
        again, plain = in_turn(compare, sessions, repetitions)
    others = [2 * taken * tables / turns for taken in sampled]
    what = f"counts of {tables:,} tables on both sides"
    note = f"The loop was measured for {turns} tables on one side and scaled."
    return [
        Figure("counts", what, "one kubectl exec a table", mine, others, goal=0.05, note=note),
        Figure("counts-session", what, "one plain session on each side", again, plain, goal=1.2),
    ]


def _plainly(server: Server, database: str, tables: int) -> None:
    with server.new_session(database) as session:
        for number in range(tables):
            session.query(f"SELECT count(*) FROM t{number}")
