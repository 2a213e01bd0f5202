"""Rows counted on both sides, while others write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from observed_pair import Pair, paused, writing

from pgnb.core.errors import DeadlineExceeded, ParameterError
from pgnb.observe.counting import compare_counts, counts_of
from pgnb.observe.scratch import Scratch
from pgnb.postgres import Server, Session
from pgnb.postgres.progress import marker, wait_replayed
from pgnb.postgres.queries import sql_of

THOUSAND = """
DO $$ BEGIN FOR i IN 1..1000 LOOP
    EXECUTE format('CREATE TABLE t%s AS SELECT generate_series(1, 50)', i);
END LOOP; END $$
"""


def test_counts_are_exact_while_somebody_writes(pair: Pair) -> None:
    pair.primary.execute("CREATE TABLE written (id bigserial, at timestamptz DEFAULT clock_timestamp())")
    pair.primary.execute('CREATE TABLE "顧客 x" AS SELECT generate_series(1, 500) AS id')
    pair.primary.execute("CREATE UNLOGGED TABLE not_copied (id int)")
    with writing(pair, "written", 0.02):
        found = [compare_counts(pair.primary, pair.standby, quiet_timeout=10) for _ in range(8)]
    assert all(one.exact for one in found)
    assert [one.different for one in found] == [()] * 8
    assert all(table.verdict == "equal" for one in found for table in one.tables)
    growing = [next(t.standby for t in one.tables if t.table == "written") for one in found]
    assert growing == sorted(growing)
    assert growing[0] < growing[-1]
    assert any("not_copied is unlogged" in note for note in found[0].left_out)
    assert found[0].checks(pair.primary.journal).ok
    for server in (pair.primary, pair.standby):
        log = [line.text for line in server.cluster.logs(server.pod, tail=1000)]
        assert not [text for text in log if "no transaction in progress" in text]


def test_counts_are_bounded_where_writing_never_pauses(pair: Pair) -> None:
    pair.primary.execute("CREATE TABLE IF NOT EXISTS busy (id bigserial)")
    with writing(pair, "busy", 0.0), writing(pair, "busy", 0.0), writing(pair, "busy", 0.0):
        found = compare_counts(pair.primary, pair.standby, ["postgres"], quiet_timeout=0.0)
    (state,) = found.states
    busy = next(table for table in found.tables if table.table == "busy")
    assert busy.ok
    if not state.exact:
        assert busy.bounds is not None
        assert busy.standby is not None
        assert busy.bounds[0] <= busy.standby <= busy.bounds[1]


def test_an_open_transaction_does_not_make_a_difference(pair: Pair) -> None:
    pair.primary.execute("CREATE TABLE opened (id int)")
    with pair.primary.new_session() as session:
        session.execute("BEGIN")
        session.execute("INSERT INTO opened VALUES (1)")
        found = compare_counts(pair.primary, pair.standby, ["postgres"])
        session.execute("COMMIT")
    assert found.exact
    assert next(t for t in found.tables if t.table == "opened").standby == 0
    assert found.different == ()


def test_a_standby_that_does_not_follow_is_not_compared(pair: Pair) -> None:
    with paused(pair), pytest.raises(DeadlineExceeded):
        compare_counts(pair.primary, pair.standby, catch_up=0.5)
    with pytest.raises(ParameterError, match="no such database: nowhere"):
        compare_counts(pair.primary, pair.standby, ["nowhere"])


@pytest.mark.long
def test_a_thousand_tables_are_counted_by_few_statements(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    for method in ("query", "execute"):
        monkeypatch.setattr(Session, method, _counted(getattr(Session, method), sent))
    with Scratch(pair.primary, "thousand") as scratch:
        pair.primary.execute(THOUSAND, database=scratch.database, what="CREATE TABLE t1 … t1000")
        wait_replayed(pair.standby, marker(pair.primary), 60)
        sent.clear()
        found = compare_counts(pair.primary, pair.standby, [scratch.database], quiet_timeout=60)
        statements = len(sent)
        kept = _locks_kept(pair.primary, scratch.database)
    assert len(found.tables) == 1001
    assert found.exact
    assert found.different == ()
    # A try to meet in one state takes a few; the tables themselves 1,001 / 250 on each side.
    assert statements <= 40 + 8 * sum(state.tries for state in found.states)
    assert kept == 0


def _locks_kept(server: Server, database: str) -> int:
    """Locks on tables that a transaction still has when it has counted every one of them."""
    with server.new_session(database) as session:
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        counts_of(session, session.execute(sql_of("observe/countable_tables", server.facts.major)))
        mine = "SELECT count(*) AS locks FROM pg_locks WHERE pid = pg_backend_pid() AND relation >= 16384"
        return session.query(mine)[0]["locks"]


def _counted(method: Callable[..., Any], sent: list[object]) -> Callable[..., Any]:
    def call(session: Session, *arguments: Any, **options: Any) -> Any:
        sent.append(arguments)
        return method(session, *arguments, **options)

    return call
