"""What samples of lag amount to."""

from __future__ import annotations

import pytest

from pgnb.core.journal import Journal
from pgnb.observe.lag import LagSample, LagSamples, LagSeries, Span, percentile, seconds_behind
from pgnb.observe.poller import Sample
from pgnb.observe.sampler import merge

MB = 1024 * 1024


def sample(at: float, position: int, replayed: int | None, state: str = "streaming") -> LagSample:
    return LagSample(at, position, state, replayed=replayed)


def series(*samples: LagSample) -> LagSeries:
    return LagSeries("async_replica", samples)


def test_idle_is_not_lag() -> None:
    idle = series(*(sample(at, 5 * MB, 5 * MB) for at in range(4)))
    assert idle.seconds == (0.0, 0.0, 0.0, 0.0)
    assert idle.peak == (0, 0.0)
    assert LagSamples((idle,)).finding == "async_replica: never behind"


def test_the_title_says_the_peak_however_small_it_was() -> None:
    fast = series(sample(0, 0, 0), sample(1, 2300, 0), sample(1.1, 2300, 2300))
    assert LagSamples((fast,)).finding == "async_replica: at most 2.2 kB and 1.0 s behind"


def test_the_title_says_whether_it_caught_up_only_where_somebody_looked() -> None:
    load = (Span("load", 0, 1.05),)
    unseen = series(sample(0, 0, 0), sample(1, 2300, 0))
    assert LagSamples((unseen,), load).finding.endswith("behind, not sampled after load")
    seen = series(*unseen.samples, sample(1.1, 2300, 100), sample(1.3, 2400, 2350))
    assert LagSamples((seen,), load).finding.endswith("behind, caught up 250 ms after load")
    never = series(*unseen.samples, sample(1.1, 2300, 100), sample(5.05, 2300, 100))
    assert LagSamples((never,), load).finding.endswith("behind, not caught up within 4.0 s after load")


def test_skipped_samples_are_explained() -> None:
    assert "1 samples at 10 Hz; 2 skipped, because the answer before them was late." in str(
        LagSamples((series(sample(0, 0, 0)),), skipped=2)
    )


def test_a_dead_receiver_is_not_zero() -> None:
    dead = series(sample(0, 10, 10), sample(1, MB, 10, ""), sample(2, MB, 10, ""), sample(9, MB, 10, ""))
    assert [one.behind for one in dead.samples] == [0, MB - 10, MB - 10, MB - 10]
    assert dead.seconds[-1] == pytest.approx(9.0)
    assert dead.away == (Span("not connected", 1, 9),)
    assert "not connected for 8.0 s" in LagSamples((dead,)).finding


def test_age_is_interpolated_between_two_samples() -> None:
    half = (sample(0, 0, 0), sample(1, 100, 50))
    assert seconds_behind(half) == (0.0, pytest.approx(0.5))


def test_behind_from_the_beginning_counts_from_there() -> None:
    assert seconds_behind((sample(0, 100, 50), sample(3, 100, 50))) == (0.0, 3.0)


def test_position_comes_from_the_standby_then_the_primary_then_the_slot() -> None:
    assert LagSample(0, 100, replay=30, replayed=90, retained=60).behind == 10
    assert LagSample(0, 100, replay=30, retained=60).behind == 30
    assert LagSample(0, 100, retained=60).behind == 60
    assert LagSample(0, 100).behind is None
    assert LagSample(0, 100, replayed=120).behind == 0


def test_caught_up_is_measured_against_what_was_written_before() -> None:
    followed = series(sample(0, 0, 0), sample(1, 100, 20), sample(2, 500, 90), sample(3, 900, 100))
    assert followed.caught_up_after(1) == 2
    assert followed.caught_up_after(3) is None
    assert series().caught_up_after(0) is None


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 2), (0.95, 4), (0.0, 1), (1.0, 4)])
def test_percentile_is_a_value_that_was_seen(share: float, wanted: int) -> None:
    assert percentile([4, 1, 3, 2], share) == wanted


def test_table_has_bytes_and_seconds_by_name_and_a_dash_for_idle() -> None:
    text = str(LagSamples((series(sample(0, 3 * MB, MB)),)))
    assert "write_lag (seconds)" in text
    assert "not replayed, by both sides (bytes)" in text
    assert "2.0 MB" in text
    assert "–" in text


def test_checks_fail_for_a_standby_that_went_away_and_did_not_catch_up() -> None:
    gone = series(sample(0, 0, 0), sample(1, 100, 0, ""))
    checks = LagSamples((gone,), (Span("load", 0, 1),)).checks(Journal())
    assert [check.name for check in checks.failed] == [
        "async_replica stayed connected",
        "async_replica caught up after load",
    ]


def test_no_standby_at_all_is_a_failed_check_and_not_an_empty_success() -> None:
    nobody = LagSamples(())
    assert not nobody.checks(Journal()).ok
    assert nobody.finding.startswith("No standby was seen")


def row(position: int, **more: object) -> dict[str, object]:
    empty = dict.fromkeys(
        (
            "pid",
            "application_name",
            "client",
            "state",
            "sync_state",
            "sent",
            "write",
            "flush",
            "replay",
            "write_seconds",
            "flush_seconds",
            "replay_seconds",
            "slot_name",
            "active",
            "wal_status",
            "retained",
        )
    )
    return {**empty, "position": position, **more}


def own(replayed: int) -> dict[str, object]:
    return {
        "received": replayed,
        "replayed": replayed,
        "receiver": "streaming",
        "pause_state": "not paused",
        "slot_name": "replica_slot",
        "application_name": "async_replica",
    }


def test_a_standby_keeps_its_name_when_only_its_slot_is_left() -> None:
    primary = [
        Sample(
            0.0,
            [
                row(
                    10,
                    application_name="async_replica",
                    slot_name="replica_slot",
                    state="streaming",
                    replay=0,
                )
            ],
        ),
        Sample(0.1, [row(90, slot_name="replica_slot", retained=80)]),
    ]
    (merged,) = merge(primary, [[Sample(0.01, [own(10)]), Sample(0.11, [own(10)])]], 10)
    assert merged.name == "async_replica"
    assert [one.connected for one in merged.samples] == [True, False]
    assert [one.behind for one in merged.samples] == [0, 80]


def test_a_standbys_old_word_does_not_count_for_a_later_sample() -> None:
    primary = [Sample(at / 10, [row(10, slot_name="replica_slot", retained=5)]) for at in range(5)]
    (merged,) = merge(primary, [[Sample(0.0, [own(10)])]], 10)
    assert [one.replayed for one in merged.samples] == [10, 10, None, None, None]


def test_without_standbys_nothing_is_merged() -> None:
    assert merge([Sample(0.0, [row(10)])], [], 10) == ()
    assert merge([], [[]], 10) == ()


def test_a_walsender_that_has_not_taken_its_slot_yet_is_no_second_standby():
    slot = {"slot_name": "replica_slot", "wal_status": "reserved", "retained": 7}
    sender = {"application_name": "async_replica", "state": "streaming", "replay": 0}
    samples = [
        Sample(0.0, [row(1000, **slot)]),
        Sample(0.1, [row(1000, **sender), row(1000, **slot)]),
        Sample(0.2, [row(1000, **sender, **slot)]),
    ]
    (series,) = merge(samples, (), 10.0)
    assert series.name == "async_replica"
    assert [sample.connected for sample in series.samples] == [False, True, True]
    assert [sample.retained for sample in series.samples] == [7, 7, 7]


def test_two_standbys_of_one_name_stay_two():
    sender = {"application_name": "walreceiver", "state": "streaming"}
    samples = [Sample(0.0, [row(1000, slot_name="one", **sender), row(1000, **sender)])]
    assert len(merge(samples, (), 10.0)) == 2
