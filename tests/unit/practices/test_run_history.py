"""Earlier runs, read from their records without the runner."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pgnb.core.errors import ParameterError
from pgnb.core.journal import Journal
from pgnb.postgres import Login, Server
from pgnb.postgres.route import Absent
from pgnb.practices.backups import moment_of, sign_of_job
from pgnb.practices.practices import drill_checks
from pgnb.practices.run_history import format_age, run_at, run_history

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def write(folder, notebook, hour=0, *, verdict="passed", changes=1, system="7", started=NOON, **parameters):
    begin = started + timedelta(hours=hour)
    name = f"{begin:%Y%m%dT%H%M%S}_{notebook}"
    (folder / name).mkdir()
    record = {
        "name": name,
        "notebook": notebook,
        "started": begin.isoformat(),
        "verdict": verdict,
        "ended": (begin + timedelta(minutes=1)).isoformat(),
        "changes": changes,
        "who": "kim",
        "parameters": parameters,
        "servers": [{"system_identifier": system}],
    }
    (folder / name / "record.json").write_text(json.dumps(record))


def test_runs_are_in_order_and_those_of_other_systems_are_left_out(tmp_path):
    write(tmp_path, "03_replica_bootstrap", 1)
    write(tmp_path, "02_primary_config", 0)
    write(tmp_path, "06_online_changes", 2, system="8")
    history = run_history(str(tmp_path), Journal())
    assert [run.notebook[:2] for run in history] == ["02", "03", "06"]
    assert [run.notebook[:2] for run in history.of("7")] == ["02", "03"]
    assert list(history.of("9")) == []


@pytest.mark.parametrize("content", ['{"name": "to', "[]", '{"servers": 1}'])
def test_a_run_that_goes_on_is_left_out_and_a_torn_record_is_named(tmp_path, content):
    write(tmp_path, "11_practices", verdict="running")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "record.json").write_text(content)
    history = run_history(str(tmp_path), Journal())
    assert list(history) == []
    assert history.unreadable == ("torn",)
    assert "torn" in str(history)


def test_the_folder_is_the_one_that_the_record_is_in(tmp_path, monkeypatch):
    write(tmp_path, "02_primary_config")
    journal = Journal(tmp_path / "own" / "journal.jsonl")
    assert len(run_history("", journal).runs) == 1
    monkeypatch.setenv("PGNB_RECORDS", str(tmp_path))
    assert len(run_history("", Journal()).runs) == 1
    assert run_history(str(tmp_path / "absent"), Journal()).runs == ()


def test_the_last_run_is_one_that_passed(tmp_path):
    write(tmp_path, "10_monitoring", 0, changes=0)
    write(tmp_path, "10_monitoring", 1, verdict="failed")
    history = run_history(str(tmp_path), Journal())
    assert history.last("10_").started == NOON
    assert history.last("10_", changed=True) is None


def test_a_moment_belongs_to_the_run_that_it_lies_in(tmp_path):
    write(tmp_path, "02_primary_config", 0)
    write(tmp_path, "03_replica_bootstrap", 0.02)
    runs = run_history(str(tmp_path), Journal()).runs
    assert run_at(NOON + timedelta(seconds=30), runs).notebook.startswith("02")
    assert run_at(NOON - timedelta(seconds=5), runs).notebook.startswith("02"), "clocks differ"
    assert run_at(NOON + timedelta(hours=1), runs) is None


def _drills(folder):
    server = Server(Absent("db", ""), Login("nobody"), Journal())
    history = run_history(str(folder), Journal())
    return {c.name: c for c in drill_checks(server, history, max_age_days=30, strict=True)}


def test_a_drill_is_a_run_of_09_that_changed_something_and_passed(tmp_path):
    now = datetime.now(UTC)
    write(tmp_path, "09_failover", operation="switchover", started=now - timedelta(days=3))
    write(tmp_path, "09_failover", path="failover", started=now - timedelta(days=31))
    write(tmp_path, "09_failover", path="failover", started=now - timedelta(days=2), verdict="failed")
    write(
        tmp_path,
        "09_failover",
        path="failover",
        started=now - timedelta(days=1),
        verdict="planned",
        changes=0,
    )
    found = _drills(tmp_path)
    assert found["a switchover was carried out"].ok
    assert not found["a failover was carried out"].ok
    assert "31 days ago by kim" in found["a failover was carried out"].found


def test_without_records_nothing_was_practised(tmp_path):
    assert [check.ok for check in _drills(tmp_path).values()] == [False, False]


def test_ages_are_spelled_in_days_or_less():
    assert format_age(None) == "never"
    assert "40 days ago" in format_age(datetime.now(UTC) - timedelta(days=40, hours=1))
    assert "2 h 0 min ago" in format_age(datetime.now(UTC) - timedelta(hours=2))


def test_a_backups_time_is_read_with_its_offset_and_never_from_the_future():
    assert moment_of("last_backup", "2026-01-31") == datetime(2026, 1, 31, tzinfo=UTC)
    assert moment_of("last_backup", "2026-01-31T09:00:00+09:00") == datetime(2026, 1, 31, tzinfo=UTC)
    with pytest.raises(ParameterError, match="future"):
        moment_of("last_backup", "2999-01-01")
    with pytest.raises(ParameterError, match="last_backup"):
        moment_of("last_backup", "yesterday")


def _job(name, image, status):
    pod = {"containers": [{"name": "main", "image": image}]}
    return {
        "metadata": {"name": name},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
        "status": status,
    }


def test_a_scheduled_backup_counts_when_it_succeeded():
    done = {"lastScheduleTime": "2026-01-02T03:00:00Z", "lastSuccessfulTime": "2026-01-01T03:04:05Z"}
    (sign,) = sign_of_job(_job("nightly", "example.org/pgbackrest:2.54", done))
    assert sign.counts
    assert sign.ended == datetime(2026, 1, 1, 3, 4, 5, tzinfo=UTC)
    (never,) = sign_of_job(_job("pg-backup", "postgres:17", {}))
    assert not never.counts
    assert list(sign_of_job(_job("vacuum", "postgres:17", done))) == []
