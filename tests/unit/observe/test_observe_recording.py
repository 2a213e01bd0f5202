"""Recordings: what is computed from looks, stored, compared, and advised upon."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pgnb.core.errors import ParameterError
from pgnb.core.journal import Journal
from pgnb.observe import counters
from pgnb.observe.lag import LagSample, LagSamples, LagSeries
from pgnb.observe.limits import limits
from pgnb.observe.plots.monitor import _spans, monitor
from pgnb.observe.poller import Sample
from pgnb.observe.recommendations import recommend
from pgnb.observe.recording import Recording, spelled
from pgnb.observe.runs import compare_runs
from pgnb.observe.samplefile import read_samples, target_of, write_samples

LIMITS = limits("64MB", 30.0, "1GB")
MB = 1024**2
BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SETTINGS = {
    "wal_segment_size": 16 * MB,
    "checkpoint_timeout": 300.0,
    "max_wal_size": 1024 * MB,
    "completion_target": 0.9,
    "block_size": 8192,
    "archiving": 0,
    "compressing": 0,
}
WELL = {
    "connected": 1.0,
    "receiving": 1.0,
    "replaying": 1.0,
    "slot_safe": 1.0,
    "behind": 0.0,
    "age": 0.0,
    "sent": 0.0,
    "write": 0.0,
    "flush": 0.0,
    "replay": 0.0,
    "write_seconds": 0.001,
    "retained": 0.0,
}


def recording(primary=None, standby=None, count=20, **more) -> Recording:
    """A recording of one standby; a measure is a constant, or its values in order of time."""
    subjects = {
        "primary": {"wal_rate": 1000.0} | (primary or {}),
        "replica": WELL | (standby or {}),
    }
    columns = {
        (subject, measure): tuple(value) if isinstance(value, list) else (value,) * count
        for subject, measures in subjects.items()
        for measure, value in measures.items()
    }
    times = tuple(float(second) for second in range(count))
    return Recording(BEGAN, 1.0, times, columns, "primary", SETTINGS | more)


def failed(seen: Recording) -> list[str]:
    return [check.name for check in seen.checks(LIMITS, Journal()).failed]


def due(seen: Recording) -> list[str]:
    return [item.topic for item in recommend(seen, LIMITS).due]


def test_a_rate_has_its_unit() -> None:
    assert spelled(51.2, "/s") == "51/s"
    assert spelled(51.2, "count") == "51"


def test_a_pair_that_is_well_passes_and_needs_no_advice():
    assert failed(recording()) == []
    assert due(recording()) == []


@pytest.mark.parametrize(
    ("standby", "name"),
    [
        ({"connected": [1.0] * 19 + [0.0]}, "connected to the primary"),
        ({"receiving": [0.0] + [1.0] * 19}, "WAL receiver streams"),
        ({"replaying": 0.0}, "replay not paused"),
        ({"slot_safe": 0.0}, "slot keeps what it needs"),
        ({"behind": [0.0] * 19 + [65.0 * MB]}, "not replayed, by both sides"),
        ({"age": [0.0] * 19 + [30.5]}, "age of the standby's state"),
        ({"retained": 1025.0 * MB}, "kept by the slot"),
    ],
)
def test_what_is_wrong_at_one_moment_only_fails_the_check(standby, name):
    assert failed(recording(standby=standby)) == [f"replica: {name}"]


def test_a_recording_without_a_standby_fails():
    seen = Recording(BEGAN, 1.0, (0.0, 1.0), {("primary", "wal_rate"): (None, 10.0)}, "primary")
    assert failed(seen) == ["a standby was seen"]
    assert "No standby" in seen.finding


def test_a_rate_takes_two_readings_and_a_counter_that_fell_gives_none():
    assert counters.rates([(0.0, 100.0), (1.0, 300.0), (2.0, 50.0), (4.0, 60.0)], 1.0) == {1: 200.0, 4: 5.0}
    assert counters.rates([(0.0, 5.0)], 1.0) == {}


def test_a_steady_rate_looks_back_far_enough():
    lumpy = [(0.0, 0.0), (0.5, 0.0), (1.0, 100.0), (1.5, 100.0), (2.0, 200.0), (2.5, 200.0), (3.0, 300.0)]
    assert counters.rates(lumpy, 2.0, over=2.0) == {4: 100.0, 5: 100.0, 6: 100.0}


def test_counting_goes_on_after_statistics_were_reset():
    seen = recording(primary={"checkpoints_timed": [5.0, 6.0, 6.0, 1.0, 3.0] + [3.0] * 15})
    assert seen.counted("primary", "checkpoints_timed") == 1 + 1 + 2


def test_points_fall_onto_their_tick_and_a_missing_look_is_none():
    samples = tuple(
        LagSample(
            at,
            1000,
            state="streaming",
            replay=0,
            replayed=1000,
            receiver="streaming",
            pause_state="not paused",
            wal_status="reserved",
        )
        for at in (0.01, 1.02, 3.05)
    )
    lag = LagSamples((LagSeries("replica", samples),), hz=1.0, began=BEGAN)
    times = counters.grid(lag, [])
    columns = counters.columns_of_standby(lag.series[0], [], 1.0)
    assert times == (0.0, 1.0, 2.0, 3.0)
    assert counters.row_of(columns["connected"], times) == (1.0, 1.0, None, 1.0)
    assert counters.row_of(columns["behind"], times) == (0, 0, None, 0)


def test_a_standby_that_nobody_could_ask_is_not_called_dead():
    samples = (LagSample(0.0, 1000, state="streaming", replay=0),)
    columns = counters.columns_of_standby(LagSeries("replica", samples), [], 1.0)
    assert columns["connected"] == {0: 1.0}
    assert columns["receiving"] == columns["replaying"] == columns["slot_safe"] == {}


def test_counters_are_taken_from_the_looks():
    row = dict.fromkeys(
        (
            "checkpoints_timed",
            "checkpoints_requested",
            "checkpoint_write",
            "checkpoint_sync",
            "archive_failures",
            "commits",
            "wal_fpi",
        ),
        0,
    )
    samples = [Sample(0.0, [row | {"commits": 10}]), Sample(2.0, [row | {"commits": 30, "wal_fpi": 7}])]
    columns = counters.columns_of_primary([(0.0, 0), (2.0, 4096)], samples, 0.5)
    assert columns["wal_rate"] == {1: 2048.0}
    assert columns["commit_rate"] == {1: 10.0}
    assert columns["full_page_images"] == {0: 0.0, 1: 7.0}


def test_samples_come_back_from_their_file_as_they_were(tmp_path):
    seen = recording(standby={"write_seconds": [None, 0.25] * 10, "behind": [float(n) for n in range(20)]})
    write_samples(seen, tmp_path / "samples.csv")
    again = read_samples(tmp_path / "samples.csv")
    assert again.columns == seen.columns
    assert (again.times, again.began, again.interval) == (seen.times, BEGAN, 1.0)
    assert (again.primary, again.standbys) == ("primary", ("replica",))
    assert list(tmp_path.iterdir()) == [tmp_path / "samples.csv"]
    assert (tmp_path / "samples.csv").stat().st_mode & 0o77 == 0


@pytest.mark.parametrize("text", ["", "time,seconds,a:nonsense\n", "time,seconds,primary:wal_rate\n,x,y\n"])
def test_a_file_without_samples_is_refused_by_name(tmp_path, text):
    (tmp_path / "other.csv").write_text(text)
    with pytest.raises(ParameterError, match=r"other\.csv"):
        read_samples(tmp_path / "other.csv")


def test_samples_that_cannot_be_stored_say_where(tmp_path):
    with pytest.raises(ParameterError, match="nowhere") as refusal:
        write_samples(recording(), tmp_path / "nowhere" / "samples.csv")
    assert "samples_file" in refusal.value.remedy


def test_samples_go_beside_the_record_or_to_a_path_or_nowhere(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    assert target_of("", journal) == tmp_path / "samples.csv"
    assert target_of("/elsewhere/s.csv", journal).as_posix() == "/elsewhere/s.csv"
    assert target_of("", Journal()) is None


def test_the_last_run_is_the_newest_other_record_of_the_same_system(tmp_path):
    for name, behind, namespace in (
        ("20260101T1_10", 10.0, "a"),
        ("20260102T1_10", 100.0 * MB, "a"),
        ("20260102T2_10", 1.0, "another"),
        ("20260103T1_10", 300.0 * MB, "a"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(json.dumps({"parameters": {"namespace": namespace}}))
        write_samples(recording(standby={"behind": behind}), tmp_path / name / "samples.csv")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "record.json").write_text('{"parameters": []}')
    write_samples(recording(), tmp_path / "torn" / "samples.csv")
    now = read_samples(tmp_path / "20260103T1_10" / "samples.csv")
    compared = compare_runs(now, "last")
    assert compared.earlier.path.endswith("20260102T1_10/samples.csv")
    row = next(row for row in compared.table.rows if row[1] == "not replayed, by both sides")
    assert str(row[-1]) == "+200%"
    assert row[-1].tone == "warn"
    assert compare_runs(now, str(tmp_path / "20260101T1_10")).earlier.at_least("replica", "behind", 1) == 10


def test_comparing_with_nothing_or_with_the_first_run(tmp_path):
    assert compare_runs(recording(), "").earlier is None
    write_samples(recording(), tmp_path / "samples.csv")
    assert compare_runs(read_samples(tmp_path / "samples.csv"), "last").earlier is None
    with pytest.raises(ParameterError, match="no samples"):
        compare_runs(recording(), str(tmp_path / "absent.csv"))


@pytest.mark.parametrize(
    ("standby", "topic"),
    [
        ({"behind": 20.0 * MB, "write": 20.0 * MB, "flush": 20.0 * MB, "replay": 20.0 * MB}, "network"),
        ({"behind": 20.0 * MB, "flush": 20.0 * MB, "replay": 20.0 * MB}, "resources: the standby's disk"),
        ({"age": 5.0, "replay": 20.0 * MB}, "resources: replay"),
        ({"conflicts_snapshot": [0.0] * 10 + [2.0] * 10}, "resources: queries on the standby"),
    ],
)
def test_advice_names_the_stage_that_holds_a_standby_up(standby, topic):
    assert due(recording(standby=standby)) == [topic]


@pytest.mark.parametrize(
    ("primary", "settings", "topic"),
    [
        ({"wal_rate": 2.0 * MB}, {}, "checkpoints"),
        ({"wal_rate": 17.0 * MB}, {"archiving": 1, "max_wal_size": 1e12}, "wal_segment_size"),
        (
            {"wal_rate": 1.0 * MB, "full_page_images": [0.0, 2000.0] + [2000.0] * 18},
            {"max_wal_size": 1e12},
            "full-page images",
        ),
    ],
)
def test_advice_for_the_primary(primary, settings, topic):
    assert due(recording(primary=primary, **settings)) == [topic]


def test_no_advice_where_the_figures_do_not_support_it():
    assert due(recording(standby={"replay": 20.0 * MB})) == [], "replay lags by a moment, nobody is behind"
    assert due(recording(primary={"wal_rate": 17.0 * MB}, max_wal_size=1e12)) == [], "nothing is archived"
    images = {"wal_rate": 1.0 * MB, "full_page_images": [0.0, 2000.0] + [2000.0] * 18}
    assert due(recording(primary=images, compressing=1)) == [], "WAL is compressed already"


def test_few_samples_give_no_advice_but_to_sample_for_longer():
    (only,) = recommend(recording(count=5), LIMITS)
    assert only.advice == "Sample for longer."


@pytest.mark.parametrize("wrong", [("64XB", 30.0, "1GB"), ("64MB", 0.0, "1GB"), ("64MB", 30.0, "-1")])
def test_limits_that_are_none_are_refused_by_their_name(wrong):
    with pytest.raises(ParameterError, match="_limit"):
        limits(*wrong)


def test_limits_are_read_in_postgresqls_units():
    assert (LIMITS.lag_bytes, LIMITS.retained_bytes) == (64 * MB, 1024 * MB)
    assert limits("8192", 1.0, "1MB").lag_bytes == 8192


def test_the_plot_marks_the_times_without_a_connection():
    away = recording(standby={"connected": [1.0] * 5 + [0.0] * 3 + [1.0] * 10 + [0.0] * 2})
    assert _spans(away, "replica", "connected") == [(5.0, 8.0), (18.0, 19.0)]
    plot = monitor(away, LIMITS)
    assert "not connected for 4.8 s" in plot.finding
    labels = [text.get_text() for text in plot.axes[4].get_legend().get_texts()]
    assert labels == ["streams and replays", "not connected"]


def test_lag_far_below_its_limit_is_drawn_far_below_it() -> None:
    times = (0.0, 1.0, 2.0)
    small = {
        ("a", "behind"): (0.0, 500.0, 0.0),
        ("a", "age"): (0.0, 0.05, 0.0),
        ("a", "connected"): (1, 1, 1),
    }
    plot = monitor(Recording(None, 1.0, times, small), LIMITS)
    assert plot.axes[0].get_ylim()[1] >= LIMITS.lag_bytes / 100
    assert plot.axes[1].get_ylim()[1] >= LIMITS.lag_seconds / 100


def test_the_plot_of_nothing_says_so():
    plot = monitor(Recording(None, 1.0, (), {}), LIMITS)
    assert plot.axes[0].texts[0].get_text() == "nothing was sampled yet"


def test_the_table_leaves_out_counters_that_did_not_move():
    seen = recording(primary={"checkpoints_timed": 4.0, "checkpoints_requested": [4.0] * 19 + [6.0]})
    rows = {row[1]: row for row in seen.table.rows}
    assert "checkpoints by time" not in rows
    assert rows["checkpoints by WAL or on request"][-1] == "+2"


def test_a_stored_recording_says_when_it_was(tmp_path):
    write_samples(recording(), tmp_path / "s.csv")
    last = (tmp_path / "s.csv").read_text().splitlines()[-1].split(",")[0]
    assert datetime.fromisoformat(last) == BEGAN + timedelta(seconds=19)
