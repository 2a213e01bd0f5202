"""Observation of a real primary and its standby, while clients write and while things are broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import enumerate as threads

import pytest
from observed_pair import PASSWORD, Pair, cut_off, paused

from pgnb.core.errors import DeadlineExceeded, GateClosed, NotFound, ParameterError, WrongServer
from pgnb.core.wait import wait_until
from pgnb.observe import plots
from pgnb.observe.counting import compare_counts
from pgnb.observe.load import run_load
from pgnb.observe.measure import measure_service
from pgnb.observe.sampler import LagSampler
from pgnb.observe.scratch import Scratch
from pgnb.observe.topology import topology
from pgnb.observe.writer import Writer, start_writer
from pgnb.postgres import Server
from pgnb.postgres.progress import marker, wait_replayed
from pgnb.postgres.queries import sql_of


def test_a_marker_is_reached_also_at_the_start_of_an_idle_segment(pair: Pair) -> None:
    for _ in range(3):
        pair.primary.execute("SELECT pg_switch_wal()")
        wait_replayed(pair.standby, marker(pair.primary), 60)


def test_a_wait_that_cannot_end_says_why(pair: Pair) -> None:
    with paused(pair), pytest.raises(DeadlineExceeded) as caught:
        wait_replayed(pair.standby, marker(pair.primary), 0.5)
    assert "replay paused" in caught.value.found


def test_markers_are_for_primaries_and_waits_for_standbys(pair: Pair) -> None:
    with pytest.raises(WrongServer, match="is a standby"):
        marker(pair.standby)
    with pytest.raises(WrongServer, match="not in recovery"):
        wait_replayed(pair.primary, "0/1", 1)
    with pytest.raises(ParameterError, match="not an LSN"):
        wait_replayed(pair.standby, "yesterday", 1)


def test_a_load_is_as_many_transactions_with_values_of_their_own(pair: Pair) -> None:
    with Scratch(pair.primary, "load 試験") as scratch:
        before = pair.primary.scalar("SELECT pg_current_xact_id()::text::bigint")
        load = run_load(pair.primary, scratch.database, scratch.table, transactions=200)
        after = pair.primary.scalar("SELECT pg_current_xact_id()::text::bigint")
        assert after - before >= 200
        wait_replayed(pair.standby, load.lsn, 60)
        for server in (pair.primary, pair.standby):
            assert (
                server.scalar(f"SELECT count(DISTINCT data) FROM {load.table}", database=load.database) == 200
            )
        assert len(load.commits) == 200
        assert load.wal > 0
    with pytest.raises(ParameterError, match="cannot be run"):
        run_load(pair.primary, "postgres", "t", transactions=0)


def test_lag_is_seen_while_replay_stands_still_and_ends_after_it(pair: Pair) -> None:
    with Scratch(pair.primary) as scratch, LagSampler(pair.primary, [pair.standby]) as sampler:
        with paused(pair), sampler.span("load"):
            run_load(pair.primary, scratch.database, scratch.table, transactions=200)
            wait_until("a second of lag", lambda: (sampler.samples().series[0].peak[1] or 0) > 1, timeout=60)
        wait_replayed(pair.standby, marker(pair.primary), 60)
        count = len(sampler.samples().series[0].samples)
        wait_until(
            "more samples",
            lambda: len(sampler.samples().series[0].samples),
            lambda now: now > count + 3,
            timeout=60,
        )
    samples = sampler.samples()
    (series,) = samples.series
    most, longest = series.peak
    assert series.name == "async_replica"
    assert most and most > 10_000
    assert longest and longest > 1
    assert series.samples[-1].behind == 0
    assert any(one.pause_state == "paused" for one in series.samples)
    assert samples.checks(pair.primary.journal).ok
    assert plots.lag(samples)._repr_png_()[0].startswith(b"\x89PNG")
    assert len(series.samples) <= 10 * series.samples[-1].at + 2, "ten a second and no more"


@pytest.mark.parametrize("query", ["observe/lag_primary", "physical/senders"])
def test_nobody_is_less_than_0_bytes_behind(pair: Pair, query: str) -> None:
    """The primary's position may have been read some time before its walsenders': here as early as can be."""
    wait_replayed(pair.standby, marker(pair.primary), 60)
    early = sql_of(query, pair.primary.facts.major).replace(
        "pg_catalog.pg_current_wal_lsn()", "'0/1'::pg_lsn"
    )
    (row,) = [row for row in pair.primary.query(early) if row["pid"]]
    behind = [value for name, value in row.items() if name.endswith("_bytes") or name in ("sent", "replay")]
    assert behind
    assert all(value >= 0 for value in behind), row


def test_the_sampler_goes_on_until_the_recovery_is_seen(pair: Pair) -> None:
    with Scratch(pair.primary) as scratch, LagSampler(pair.primary, [pair.standby]) as sampler:
        with sampler.span("load"):
            run_load(pair.primary, scratch.database, scratch.table, transactions=100)
        sampler.wait_recovery(timeout=60)
    (series,) = sampler.samples().series
    assert series.caught_up_after(sampler.samples().spans[-1].end) is not None
    # Between two samples a fast standby may have been behind and caught up.
    assert any(words in sampler.samples().finding for words in ("at most ", "never behind"))
    assert (
        "after load" in sampler.samples().finding or "level at the end of load" in sampler.samples().finding
    )
    assert "not sampled" not in sampler.samples().finding


def test_a_recovery_that_does_not_come_is_told_and_raises_nothing(pair: Pair) -> None:
    sampler = LagSampler(pair.primary, [pair.standby])
    with Scratch(pair.primary) as scratch, sampler, paused(pair):
        with sampler.span("load"):
            run_load(pair.primary, scratch.database, scratch.table, transactions=100)
        sampler.wait_recovery(timeout=0.1)
        seen = wait_until(
            "a sample after the load",
            sampler.samples,
            lambda seen: seen.series[0].seen_after(seen.spans[-1].end),
            timeout=60,
        )
        finding = seen.finding
    assert "not caught up within" in finding


def test_a_standby_without_its_receiver_is_behind_and_not_at_zero(pair: Pair) -> None:
    with LagSampler(pair.primary, [pair.standby]) as sampler:
        with cut_off(pair):
            with Scratch(pair.primary) as scratch:
                run_load(pair.primary, scratch.database, scratch.table, transactions=100)
            broken = sampler.samples().series[0]
            seen = topology(pair.cluster, [pair.primary, pair.standby])
        wait_until(
            "the standby seen streaming again",
            lambda: sampler.samples().series[0].samples[-1].connected,
            timeout=60,
        )
    assert not broken.samples[-1].connected
    assert broken.samples[-1].receiver is None
    assert broken.samples[-1].behind
    assert broken.samples[-1].behind > 5_000
    assert broken.away
    assert any("keeps" in trouble and "without a consumer" in trouble for trouble in seen.troubles)
    assert any("no server here sends to it" in trouble for trouble in seen.troubles)


def test_a_scratch_database_comes_once_and_goes(pair: Pair) -> None:
    scratch = Scratch(pair.primary, 'Scratch "x"', "te st")
    assert scratch.plan_create().apply().changed
    assert not scratch.plan_create().apply().changed
    assert [row["data"] for row in scratch.insert("test1", "test2")] == ["test1", "test2"]
    wait_replayed(pair.standby, marker(pair.primary), 60)
    assert [row["data"] for row in scratch.rows(pair.standby)] == ["test2", "test1"]
    assert not Scratch(pair.primary, scratch.database, keep=True).plan_drop().apply().changed
    assert scratch.plan_drop().apply().changed
    assert not scratch.plan_drop().apply().changed


def test_what_a_killed_run_left_is_dropped_unless_a_client_is_in_it(pair: Pair) -> None:
    scratch = Scratch(pair.primary, "pgnb_service")
    pair.primary.execute("CREATE DATABASE pgnb_service")  # Killed before its comment.
    assert scratch.plan_create().apply().changed
    with pair.primary.new_session("pgnb_service") as client:
        client.execute("SET application_name = 'writer'")
        scratch.drop_left()
        assert scratch.rows(pair.primary) == []
    pair.planning().primary.query("SELECT 1", database="pgnb_service")  # A look, whose session is kept.
    wait_until(
        "the client to be gone",
        lambda: (scratch.drop_left(), scratch.plan_drop().steps)[1],
        lambda steps: not steps,
        timeout=60,
    )
    assert scratch.plan_create().steps
    pair.primary.execute("CREATE DATABASE pgnb_service")
    pair.primary.execute("COMMENT ON DATABASE pgnb_service IS 'somebody''s'")
    scratch.drop_left()
    with pytest.raises(GateClosed, match="pgnb_service is not a scratch database"):
        scratch.plan_drop()


def test_no_other_database_is_touched(pair: Pair) -> None:
    pair.primary.execute("CREATE DATABASE precious")
    pair.primary.execute("CREATE DATABASE pgnb_prod")
    with pytest.raises(GateClosed, match="pgnb_prod is not a scratch database"):
        Scratch(pair.primary, "pgnb_prod").plan_drop()
    for plan in (Scratch(pair.primary, "precious").plan_create, Scratch(pair.primary, "precious").plan_drop):
        with pytest.raises(GateClosed, match="precious is not a scratch database"):
            plan()
    with pytest.raises(ParameterError, match="not a valid name for a scratch database"):
        Scratch(pair.primary, "ｘ" * 22)


def test_a_plan_only_run_writes_nothing(pair: Pair) -> None:
    planning = pair.planning()
    with _without_autovacuum(pair.primary):
        before = pair.primary.scalar("SELECT pg_current_wal_insert_lsn()::text")
        _everything(planning)
        written = _written_since(pair.primary, before)
        pair.primary.execute("SELECT pg_logical_emit_message(true, 'test', 'this would be seen')")
        assert _written_since(pair.primary, before) >= {"Transaction", "LogicalMessage"}
    # The server's own records, such as of transactions that run, are of other kinds.
    assert not written & {"Transaction", "LogicalMessage", "Heap", "Database", "Storage"}
    assert pair.primary.scalar("SELECT count(*) FROM pg_database WHERE datname = 'planned'") == 0
    assert planning.cluster.journal.entries == []


def _everything(planning: Pair) -> None:
    scratch = Scratch(planning.primary, "planned")
    assert not scratch.plan_create().apply().changed
    assert scratch.insert("x") == []
    assert scratch.rows(planning.standby) == []
    assert run_load(planning.primary, "planned", "t").transactions == 0
    assert compare_counts(planning.primary, planning.standby, ["postgres"]).different == ()
    with pytest.raises(GateClosed):
        start_writer(planning.primary, scratch, PASSWORD)
    with LagSampler(planning.primary, [planning.standby]) as sampler:
        (series,) = wait_until("a first look", lambda: sampler.samples().series, timeout=60)
        assert series.name == "async_replica"
    wait_replayed(planning.standby, marker(planning.primary), 60)


@contextmanager
def _without_autovacuum(server: Server) -> Iterator[None]:
    server.execute("ALTER SYSTEM SET autovacuum = off")
    server.execute("SELECT pg_reload_conf()")
    running = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'autovacuum%'"
    wait_until("autovacuum to end", lambda: server.scalar(running), lambda count: count == 0, timeout=60)
    try:
        yield
    finally:
        server.execute("ALTER SYSTEM RESET autovacuum")
        server.execute("SELECT pg_reload_conf()")


def _written_since(server: Server, lsn: str) -> set[str]:
    """The resource managers of the records behind an LSN: who wrote them."""
    end = server.scalar("SELECT pg_current_wal_flush_lsn()::text")
    tool, place = server.facts.tool("pg_waldump"), f"{server.facts.data_directory}/pg_wal"
    shown = server.cluster.exec(server.pod, [tool, "-p", place, "-s", lsn, "-e", end], check=False).text
    return {line.split()[1] for line in shown.splitlines() if line.startswith("rmgr:")}


def test_topology_of_the_pair(pair: Pair) -> None:
    seen = topology(pair.cluster, [pair.primary, pair.standby])
    assert seen.finding == f"{pair.standby.name} follows {pair.primary.name}"
    (link,) = seen.links
    assert (link.application_name, link.slot, link.state) == ("async_replica", "replica_slot", "streaming")
    assert seen.troubles == ()
    assert plots.topology(seen)._repr_png_()[0].startswith(b"\x89PNG")


def test_a_writing_clients_rows_and_gaps(pair: Pair) -> None:
    scratch = Scratch(pair.primary, "writer_db")
    writer = start_writer(pair.primary, scratch, PASSWORD)
    try:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgnb-writer'"
        wait_until("some rows", writer.report, lambda seen: seen.acknowledged > 20, timeout=60)
        before = writer.report().acknowledged
        assert pair.primary.query(cut)
        wait_until(
            "rows after the cut", writer.report, lambda seen: seen.acknowledged > before + 20, timeout=60
        )
        report = writer.report()
        assert any("terminat" in words or "connection" in words for words in report.summary)
        assert report.usual is not None
        assert report.longest is not None
        assert report.longest.seconds > report.usual > 0
        lsn = marker(pair.primary)
        assert writer.check_durability(pair.primary, report).check.ok
        assert writer.check_durability(pair.standby, report, lsn=lsn).check.ok
        pair.primary.execute(
            "DELETE FROM heartbeat WHERE id = %s", (report.ids[3],), database=scratch.database
        )
        assert list(writer.check_durability(pair.primary, report).missing) == [report.ids[3]]
    finally:
        writer.stop()
        scratch.plan_drop().apply()
    assert pair.cluster.get("pods", writer.own) is None or pair.cluster.get("pods", writer.own)[
        "metadata"
    ].get("deletionTimestamp")


def test_a_writing_client_needs_a_secret_and_a_pod(pair: Pair) -> None:
    with pytest.raises(ParameterError, match="must be in a Secret") as caught:
        start_writer(pair.primary, Scratch(pair.primary, "never"), "hunter2")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(NotFound, match="no pod matches app=nobody"):
        Writer(pair.cluster, "app=nobody", "postgres", "t").report()


@pytest.mark.parametrize(
    ("reference", "words", "stops"),
    [("env:PGPASSWORD", "is not in a Secret", False), ("secret:no-such/password", "no-such", True)],
)
def test_a_client_that_cannot_measure_stops_nothing_of_what_is_measured(
    pair: Pair, reference: str, words: str, stops: bool
) -> None:
    done = []
    with measure_service(pair.primary, reference, database="measured") as service:
        done.append("restarted")
    (check,) = service.checks(longest=1.0)
    assert done == ["restarted"]
    assert words in str(check.found)
    assert check.stops is stops
    assert pair.primary.scalar("SELECT count(*) FROM pg_database WHERE datname = %s", ("measured",)) == 0


def test_no_thread_is_left(pair: Pair) -> None:
    with LagSampler(pair.primary, [pair.standby]):
        assert any(thread.name.startswith("pgnb-watch") for thread in threads())
    assert not any(thread.name.startswith("pgnb-watch") for thread in threads())
