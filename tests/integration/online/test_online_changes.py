"""Settings of a primary and two standbys, changed in order, with their ConfigMaps, and undone."""

from __future__ import annotations

from pathlib import Path

import pytest
from online_stage import Trio, carry_out, files_of, shown

from pgnb.core.checks import verify
from pgnb.core.errors import ChangeFailed, GateClosed, ParameterError
from pgnb.online.plan import plan_online

RELOAD = {"wal_keep_size": "96MB", "max_slot_wal_keep_size": "1GB"}
FEEDBACK = {"hot_standby_feedback": "on"}
MORE = {"max_connections": "123"}


def _started(trio: Trio) -> list[float]:
    """Return when each server started, the primary first."""
    query = "SELECT extract(epoch FROM pg_postmaster_start_time())::float8"
    return [float(server.scalar(query)) for server in (trio.primary, *trio.standbys)]


def _streaming(trio: Trio) -> int:
    return int(trio.primary.scalar("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"))


def test_a_plan_only_run_changes_nothing(trio: Trio) -> None:
    planning = trio.run(dry_run=True)
    before = files_of(planning)
    change = planning.plan(RELOAD | MORE, FEEDBACK, allow_restart=True)
    assert change.interrupts
    assert not carry_out(change).changed
    assert verify(change.in_force()).failed
    assert files_of(planning) == before
    planning.close()


def test_what_a_reload_brings_is_in_force_everywhere_and_in_the_config_maps(trio: Trio) -> None:
    before, started = files_of(trio), _started(trio)
    change = trio.plan(RELOAD, FEEDBACK)
    places = {(row[0], row[1]): row[6] for row in change.settings.rows}
    assert places[trio.primary.name, "wal_keep_size"] == "pgnb.conf, configmap/primary-config"
    done = carry_out(change)
    assert shown(trio.primary, *RELOAD) == tuple(RELOAD.values())
    assert [shown(one, "hot_standby_feedback") for one in trio.standbys] == [("on",), ("on",)]
    assert verify(change.in_force()).ok
    assert all(check.ok for check in change.drift())
    assert not trio.plan(RELOAD, FEEDBACK)
    assert _started(trio) == started
    assert done.undo is not None
    carry_out(done.undo())
    assert files_of(trio) == before
    assert shown(trio.primary, "wal_keep_size") == ("0",)


def test_what_takes_a_restart_is_written_nowhere_unless_allowed(trio: Trio) -> None:
    before = files_of(trio)
    change = trio.plan(MORE, {})
    assert not change
    assert "allow_restart = True" in change.note
    assert "concurrent connections" in change.note
    assert verify(change.in_force()).ok
    assert files_of(trio) == before


def test_the_five_are_raised_on_the_standbys_first_and_lowered_on_the_primary_first(trio: Trio) -> None:
    with pytest.raises(GateClosed, match="allow_restart"):
        trio.plan(MORE, {}, allow_restart=True).apply()
    change = trio.plan(MORE, {}, allow_restart=True)
    assert [one.server for one in change.changes] == [*trio.standbys, trio.primary]
    done = carry_out(change)
    assert [shown(server, "max_connections") for server in (trio.primary, *trio.standbys)] == [("123",)] * 3
    primary, *standbys = _started(trio)
    assert max(standbys) < primary
    assert _streaming(trio) == 2
    assert done.undo is not None
    back = done.undo()
    assert back.confirmations
    carry_out(back)
    assert [shown(server, "max_connections") for server in (trio.primary, *trio.standbys)] == [("100",)] * 3
    primary, *standbys = _started(trio)
    assert primary < min(standbys)
    assert _streaming(trio) == 2


def test_nothing_is_raised_above_a_standby_that_nobody_named(trio: Trio) -> None:
    before = files_of(trio)
    change = plan_online(trio.primary, trio.standbys[:1], MORE, allow_restart=True)
    failed = {check.name: check.found for check in change.safety().failed}
    assert failed == {"standbys that are raised first": "2 stream"}
    with pytest.raises(GateClosed, match="What the new settings touch: stopped"):
        carry_out(change)
    assert files_of(trio) == before
    assert plan_online(trio.primary, trio.standbys[:1], MORE).safety().ok
    assert trio.plan(MORE, {}, allow_restart=True).safety().ok


def test_a_standby_that_is_away_is_named_before_its_primary_gets_more(trio: Trio) -> None:
    trio.primary.execute("SELECT pg_create_physical_replication_slot('of_one_that_is_away')")
    advice = [c for c in trio.plan(MORE, {}, allow_restart=True).safety() if not c.ok]
    assert [(c.name, c.found, c.stops) for c in advice] == [
        ("standbys that are away", "of_one_that_is_away", False)
    ]
    trio.primary.execute("SELECT pg_drop_replication_slot('of_one_that_is_away')")


@pytest.mark.parametrize(
    ("settings", "standby_settings", "words"),
    [
        (MORE, {"max_connections": "110"}, "must not be lower than its primary's"),
        ({}, {"max_wal_senders": "3"}, "must not be lower than its primary's"),
        ({"max_connections": "150", "max_worker_processes": "6"}, {"max_worker_processes": "6"}, "two runs"),
        ({"wal_keep_sise": "1GB"}, {}, "no setting named wal_keep_sise"),
    ],
)
def test_wishes_that_would_stop_a_standby_are_refused(
    trio: Trio, settings: dict[str, str], standby_settings: dict[str, str], words: str
) -> None:
    with pytest.raises(ParameterError) as refused:
        trio.plan(settings, standby_settings, allow_restart=True)
    assert words in str(refused.value)


def test_wal_that_does_not_fit_on_the_volume_is_not_asked_for(trio: Trio) -> None:
    before = files_of(trio)
    change = trio.plan({"wal_keep_size": "200TB"}, {})
    assert [check.name for check in change.safety().failed] == [
        f"room for wal_keep_size on {trio.primary.name}"
    ]
    with pytest.raises(GateClosed):
        change.apply()
    assert files_of(trio) == before


def test_a_change_that_stops_halfway_is_taken_back_by_the_same_call(trio: Trio) -> None:
    """PostgreSQL refuses the primary's file after the standbys have been changed."""
    before = files_of(trio)
    change = trio.plan({"log_timezone": "Nowhere/Land"}, FEEDBACK)
    with pytest.raises(ChangeFailed, match="not changed"):
        carry_out(change)
    assert [shown(one, "hot_standby_feedback") for one in trio.standbys] == [("on",), ("on",)]
    assert change.undo is not None
    carry_out(change.undo())
    assert files_of(trio) == before
    assert [shown(one, "hot_standby_feedback") for one in trio.standbys] == [("off",), ("off",)]


def test_the_record_of_a_run_is_enough_to_go_back(
    trio: Trio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGNB_JOURNAL", str(tmp_path / "journal.jsonl"))
    run = trio.run()
    carry_out(run.plan(RELOAD, FEEDBACK))
    run.close()
    monkeypatch.delenv("PGNB_JOURNAL")
    later = trio.run()
    change = later.plan({}, {}, undo_record=str(tmp_path))
    carry_out(change)
    assert verify(change.in_force()).ok
    assert shown(later.primary, *RELOAD) == ("0", "-1")
    assert [shown(one, "hot_standby_feedback") for one in later.standbys] == [("off",), ("off",)]
    with pytest.raises(ParameterError, match="not a readable record"):
        later.plan({}, {}, undo_record=str(tmp_path / "nothing"))
    later.close()


def test_drift_is_shown_in_both_directions(trio: Trio) -> None:
    carry_out(trio.plan({"wal_keep_size": "64MB"}, {}))
    trio.primary.execute("ALTER SYSTEM SET wal_keep_size = '80MB'")
    trio.primary.execute("ALTER SYSTEM SET log_checkpoints = on")
    trio.primary.execute("SELECT pg_reload_conf()")
    trio.primary.close_sessions()
    off = {check.name.split(": ")[1] for check in trio.plan({}, {}).drift() if not check.ok}
    assert {"wal_keep_size", "log_checkpoints"} <= off
    trio.primary.execute("ALTER SYSTEM RESET ALL")
    trio.primary.execute("SELECT pg_reload_conf()")
