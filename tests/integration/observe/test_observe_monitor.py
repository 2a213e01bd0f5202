"""Monitoring a real pair: what is well, what is broken meanwhile, and what stays of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from observed_pair import Pair, cut_off, paused

from pgnb.core.errors import ConnectionFailed, ParameterError, QueryFailed
from pgnb.core.journal import Journal
from pgnb.core.wait import wait_until
from pgnb.observe import plots
from pgnb.observe.limits import limits
from pgnb.observe.load import run_load
from pgnb.observe.monitor import Monitor, monitor
from pgnb.observe.recommendations import recommend
from pgnb.observe.recording import Recording
from pgnb.observe.runs import compare_runs
from pgnb.observe.samplefile import read_samples
from pgnb.observe.scratch import Scratch
from pgnb.postgres.progress import marker, wait_replayed
from pgnb.practices.practices import alert_checks
from tests.interrupts import interrupted

LIMITS = limits("1MB", 10.0, "1GB")
_COUNT = "SELECT count(*) FROM held"


def until(sampling: Monitor, measure: str, value: float) -> Recording:
    """What was sampled, as soon as the standby's measure has that value."""

    def last(seen: Recording) -> float | None:
        return ([None, *seen.known("async_replica", measure)])[-1]

    return wait_until(f"{measure} is {value}", sampling.recording, lambda s: last(s) == value, timeout=60)


def failed(seen: Recording, pair: Pair) -> list[str]:
    return [check.name for check in seen.checks(LIMITS, pair.primary.journal).failed]


def test_a_pair_that_is_well_is_so_at_every_sample(pair: Pair, tmp_path: Path) -> None:
    with Scratch(pair.primary) as scratch:
        run_load(pair.primary, scratch.database, scratch.table, transactions=300)
        wait_replayed(pair.standby, marker(pair.primary), 60)
        path = tmp_path / "samples.csv"
        seen = monitor(pair.primary, [pair.standby], LIMITS, seconds=3, interval=0.2, path=str(path))
    assert 2 <= len(seen.times) <= seen.times[-1] / 0.2 + 1.5, "one each 0.2 s, or fewer on a slow machine"
    assert seen.standbys == ("async_replica",)
    assert failed(seen, pair) == []
    assert recommend(seen, LIMITS).due == ()
    again = read_samples(path)
    assert again.times == pytest.approx(seen.times, abs=0.001)
    assert again.columns.keys() == seen.columns.keys()
    assert compare_runs(seen, str(path)).earlier is not None
    assert plots.monitor(again, LIMITS)._repr_png_()[0].startswith(b"\x89PNG")


def test_written_wal_is_the_servers_own_count(pair: Pair) -> None:
    with Scratch(pair.primary) as scratch, Monitor(pair.primary, [pair.standby], interval=0.1) as sampling:
        load = run_load(pair.primary, scratch.database, scratch.table, transactions=500)
        wait_until(
            "the load's end is sampled",
            sampling.recording,
            lambda seen: sum(seen.known("primary", "wal_rate")) * 0.1 > 0.9 * load.wal,
            timeout=60,
        )
        wait_replayed(pair.standby, load.lsn, 60)
    seen = sampling.recording()
    assert max(seen.known("async_replica", "replay_rate")) > 0
    assert seen.counted("primary", "checkpoints_requested") == 0


def test_a_dead_receiver_and_a_missing_connection_are_not_lag_0(pair: Pair) -> None:
    with Scratch(pair.primary) as scratch, Monitor(pair.primary, [pair.standby], interval=0.1) as sampling:
        with cut_off(pair):
            run_load(pair.primary, scratch.database, scratch.table, transactions=100)
            until(sampling, "receiving", 0.0)
            until(sampling, "connected", 0.0)
            wait_until(
                "the load is seen as what the standby lacks",
                sampling.recording,
                lambda seen: max(seen.known("async_replica", "behind")) > 5_000,
                timeout=60,
            )
            fire = {c.name for c in alert_checks(pair.primary, LIMITS, standbys=1, strict=True).failed}
        until(sampling, "connected", 1.0)
    broken = failed(sampling.recording(), pair)
    assert "async_replica: connected to the primary" in broken
    assert "async_replica: WAL receiver streams" in broken
    assert fire == {"standbys that stream", "slot replica_slot: in use"}
    assert "not connected for" in sampling.recording().finding


def test_paused_replay_is_named_and_its_wal_is_replay_to_do(pair: Pair) -> None:
    tight = limits("16kB", 1.0, "1GB")
    with Scratch(pair.primary) as scratch, Monitor(pair.primary, [pair.standby], interval=0.1) as sampling:
        with paused(pair):
            run_load(pair.primary, scratch.database, scratch.table, transactions=500)
            until(sampling, "replaying", 0.0)
            grown = wait_until(
                "old for two seconds",
                sampling.recording,
                lambda seen: (seen.at_least("async_replica", "age", 1) or 0) > 2,
                timeout=60,
            )
        wait_replayed(pair.standby, marker(pair.primary), 60)
    assert "async_replica: replay not paused" in failed(grown, pair)
    due = [item.topic for item in recommend(grown, tight).due if item.subject == "async_replica"]
    assert due == ["resources: replay"]


@contextmanager
def impatient(pair: Pair) -> Iterator[None]:
    """The standby cancels at once what holds replay up."""
    pair.standby.execute("ALTER SYSTEM SET max_standby_streaming_delay = 0")
    pair.standby.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        pair.standby.execute("ALTER SYSTEM RESET max_standby_streaming_delay")
        pair.standby.execute("SELECT pg_reload_conf()")


def test_a_query_that_recovery_cancels_is_counted_by_its_reason(pair: Pair) -> None:
    pair.primary.execute("CREATE TABLE held AS SELECT generate_series(1, 1000) AS id")
    wait_replayed(pair.standby, marker(pair.primary), 60)
    try:
        with impatient(pair), Monitor(pair.primary, [pair.standby], interval=0.1) as sampling:
            with pair.standby.new_session() as reader:
                reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                reader.execute(_COUNT)
                pair.primary.execute("DELETE FROM held")
                pair.primary.execute("VACUUM held")
                with pytest.raises((QueryFailed, ConnectionFailed)):
                    wait_until("cancelled", lambda: reader.execute(_COUNT) is None, timeout=10)
            wait_until(
                "a conflict",
                sampling.recording,
                lambda seen: seen.counted("async_replica", "conflicts_snapshot") > 0 and len(seen.times) > 10,
                timeout=60,
            )
        (advice,) = recommend(sampling.recording(), LIMITS).due
        assert "1 by snapshot" in advice.figures
        assert "hot_standby_feedback" in advice.advice
    finally:
        pair.primary.execute("DROP TABLE held")


def test_a_checkpoint_is_seen(pair: Pair) -> None:
    with Monitor(pair.primary, [pair.standby], interval=0.1) as sampling:
        pair.primary.execute("CHECKPOINT")
        wait_until(
            "the checkpoint",
            sampling.recording,
            lambda seen: seen.counted("primary", "checkpoints_requested") == 1,
            timeout=60,
        )


def test_an_interrupt_ends_the_sampling_and_keeps_what_was_sampled(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgnb.observe.monitor._STORE_EVERY", 0.0)
    path = tmp_path / "samples.csv"
    with interrupted(lambda: path.exists() and len(path.read_text().splitlines()) > 10):
        seen = monitor(pair.primary, [pair.standby], LIMITS, seconds=0, interval=0.2, path=str(path))
    assert len(seen.times) >= 5
    assert read_samples(path).times


def test_a_run_that_nobody_watches_has_an_end_and_a_file_beside_its_record(
    pair: Pair, tmp_path: Path
) -> None:
    journal, primary = Journal(tmp_path / "journal.jsonl"), pair.primary
    before, primary.journal = primary.journal, journal
    try:
        with pytest.raises(ParameterError, match="never end"):
            monitor(primary, [pair.standby], LIMITS, seconds=0)
        with pytest.raises(ParameterError, match="interval"):
            monitor(primary, [pair.standby], LIMITS, seconds=1, interval=60)
        seen = monitor(primary, [pair.standby], LIMITS, seconds=1, interval=0.2)
    finally:
        primary.journal = before
    assert seen.path == str(tmp_path / "samples.csv")
    assert read_samples(tmp_path / "samples.csv").standbys == ("async_replica",)


def test_a_plan_only_run_samples_too_and_changes_nothing(pair: Pair) -> None:
    planning = pair.planning()
    seen = monitor(planning.primary, [planning.standby], LIMITS, seconds=1, interval=0.2)
    assert seen.checks(LIMITS, planning.primary.journal).ok
    assert planning.cluster.journal.entries == []
    planning.close()


def test_without_the_standbys_own_word_the_primarys_is_kept(pair: Pair) -> None:
    alone = monitor(pair.primary, [], LIMITS, seconds=1, interval=0.2)
    assert alone.standbys == ("async_replica",), "the primary knows its standby"
    assert alone.known("async_replica", "receiving") == [], "nobody asked the standby itself"
