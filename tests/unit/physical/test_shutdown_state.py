"""The state of the old primary's shutdown, parsed from the script's lines."""

from datetime import UTC, datetime, timedelta

import pytest

from pgnb.core.errors import ChangeFailed
from pgnb.core.journal import Entry
from pgnb.observe.plots import timeline
from pgnb.physical.failover.shutdown_state import parse_shutdown_state

CLEAN = "system_identifier=77\nstate=shut down\ncheckpoint=0/6B25858\ntimeline=1\n"


def test_a_clean_shutdown_is_covered_only_by_who_replayed_its_last_checkpoint():
    shutdown_state = parse_shutdown_state(CLEAN)
    assert shutdown_state.clean
    assert shutdown_state.covered_by("0/6B258D0")
    assert not shutdown_state.covered_by("0/6B25858"), (
        "the record itself begins there: it is not replayed yet"
    )
    assert not shutdown_state.covered_by(None)


def test_a_crash_is_covered_by_nobody():
    assert not parse_shutdown_state(CLEAN.replace("shut down", "in production")).covered_by("1/0")


def test_the_wal_behind_the_start_is_counted():
    shutdown_state = parse_shutdown_state(CLEAN + "signal=yes\nend=0/071F82B0\ncommits=35\n", "0/71F6AB0")
    assert (shutdown_state.commits, shutdown_state.beyond, shutdown_state.end, shutdown_state.signal) == (
        35,
        6144,
        "0/71F82B0",
        True,
    )


def test_wal_that_nobody_read_is_unknown_and_an_empty_one_is_nothing():
    assert parse_shutdown_state(CLEAN, "0/1").beyond is None
    assert parse_shutdown_state(CLEAN + "commits=0\n", "0/1").beyond == 0


def test_a_directory_without_a_control_file_is_named():
    with pytest.raises(ChangeFailed, match="no readable control file"):
        parse_shutdown_state("pg_controldata: could not open file")


def test_the_time_without_writes_is_drawn_over_the_phases():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    phases = [Entry(at, "primary", "stop writes", "done", True, 1.0)]
    plot = timeline(phases, "a switchover", silent=(at, at + timedelta(seconds=0.5)))
    assert any("no writes: 500 ms" in text.get_text() for axes in plot.axes for text in axes.texts)
