"""Practices on a real server: an archive that works and one that fails, a base backup, a reload by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pgnb.cluster import connect
from pgnb.core.checks import Check, verify
from pgnb.core.errors import VerificationFailed
from pgnb.core.journal import Journal
from pgnb.core.wait import wait_until
from pgnb.postgres import Server, compose, find_server
from pgnb.practices.backups import Backups, find_backups
from pgnb.practices.practices import documentation_checks, monitoring_checks
from pgnb.practices.run_history import RunHistory, run_history


@pytest.fixture(scope="module")
def server(kubeconfig: Path, module_namespace: str, start_postgres: Callable[..., Any]) -> Iterator[Server]:
    """A primary that archives, with the annotation that Prometheus looks for."""

    def scraped(made: dict[str, Any]) -> None:
        if "template" in made.get("spec", {}):
            made["spec"]["template"]["metadata"]["annotations"] = {"prometheus.io/scrape": "true"}

    start_postgres(module_namespace, "archived", args=("-c", "archive_mode=on"), patch=scraped)
    cluster = connect(str(kubeconfig), "", module_namespace, dry_run=False)
    found = find_server(cluster, "app=archived", password="secret:archived/password")
    _archive_by(found, "true")
    yield found
    found.close()
    cluster.close()


def _archive_by(server: Server, command: str) -> None:
    server.execute(compose("ALTER SYSTEM SET archive_command = {}", command))
    server.execute("SELECT pg_reload_conf()")


@pytest.fixture
def no_past(tmp_path: Path) -> RunHistory:
    return run_history(str(tmp_path), Journal())


def record(
    folder: Path, notebook: str, server: Server, begin: datetime, seconds: float, verdict: str
) -> None:
    """Write a record, as the runner does."""
    name = f"{begin:%Y%m%dT%H%M%S}_{notebook}"
    (folder / name).mkdir()
    content = {
        "name": name,
        "notebook": notebook,
        "started": begin.isoformat(),
        "verdict": verdict,
        "changes": 1,
        "ended": (begin + timedelta(seconds=seconds)).isoformat(),
        "who": "kim",
        "parameters": {},
        "servers": [{"system_identifier": server.facts.system_identifier}],
    }
    (folder / name / "record.json").write_text(json.dumps(content))


def named(checks: Any) -> dict[str, Check]:
    return {check.name: check for check in checks}


def checked(found: Backups, server: Server) -> dict[str, Check]:
    return named(found.checks(server, max_age_days=1, strict=True))


def test_before_any_backup_there_is_none(server: Server, no_past: RunHistory) -> None:
    found = find_backups(server, no_past)
    assert found.last is None
    assert not checked(found, server)["a recent backup"].ok
    assert checked(found, server)["WAL is archived"].ok


def test_a_base_backup_is_seen_unless_a_standby_was_made_of_it(
    server: Server, no_past: RunHistory, tmp_path: Path
) -> None:
    argv = ["pg_basebackup", "-U", "postgres", "-D", "/tmp/taken", "-X", "fetch", "--checkpoint=fast"]
    server.cluster.exec(server.pod, argv, changes="a base backup")
    found = find_backups(server, no_past)
    assert found.last is not None
    assert found.last.source.startswith("base backup")
    assert checked(found, server)["a recent backup"].ok
    record(tmp_path, "03_replica_bootstrap", server, datetime.now(UTC) - timedelta(minutes=1), 60, "passed")
    made = find_backups(server, run_history(str(tmp_path), Journal()))
    assert made.last is None
    assert "used to make a standby" in str(made)


def test_the_operators_word_counts_until_it_is_too_old(server: Server, no_past: RunHistory) -> None:
    young = find_backups(
        server, no_past, last_backup=f"{datetime.now(UTC) - timedelta(hours=2):%Y-%m-%dT%H:%M}"
    )
    assert any(sign.source == "given by the operator" and sign.counts for sign in young.signs)
    alone = Backups(tuple(s for s in young.signs if s.source == "given by the operator"), young.archive)
    assert checked(alone, server)["a recent backup"].ok
    old = named(alone.checks(server, max_age_days=0.05, strict=True))["a recent backup"]
    assert not old.ok


def test_an_archive_that_fails_is_found_until_it_works_again(server: Server, no_past: RunHistory) -> None:
    server.execute("SELECT pg_switch_wal()")
    _wait(server, "archived_count > 0")
    assert checked(find_backups(server, no_past), server)["archiving works"].ok
    try:
        _archive_by(server, "false")
        server.execute("CREATE TABLE archived ()")
        server.execute("SELECT pg_switch_wal()")
        _wait(server, "last_failed_time > last_archived_time")
        fails = checked(find_backups(server, no_past), server)["archiving works"]
        assert not fails.ok
        assert "archive_command" in fails.remedy
    finally:
        _archive_by(server, "true")
    server.execute("DROP TABLE archived")
    server.execute("SELECT pg_switch_wal()")
    _wait(server, "last_archived_time > last_failed_time")
    assert checked(find_backups(server, no_past), server)["archiving works"].ok


def _wait(server: Server, condition: str) -> None:
    wait_until(
        condition, lambda: server.scalar(f"SELECT {condition} FROM pg_stat_archiver"), timeout=60, every=0.1
    )


def test_monitoring_is_seen_by_the_annotation_and_by_a_session(server: Server, no_past: RunHistory) -> None:
    found = named(monitoring_checks([server], no_past))
    assert "annotation prometheus.io/scrape" in str(found[f"{server.name} is monitored"].found)
    assert not found["a monitoring run"].ok
    with server.new_session() as session:
        session.execute("SET application_name = 'postgres_exporter'")
        watched = named(monitoring_checks([server], no_past))[f"{server.name} is monitored"]
    assert "session of postgres (postgres_exporter)" in str(watched.found)


def test_a_reload_by_hand_is_found_and_one_of_a_recorded_run_is_not(server: Server, tmp_path: Path) -> None:
    running = "SELECT now() - pg_postmaster_start_time() > interval '6 s'"
    wait_until("the start is past", lambda: server.scalar(running), timeout=60, every=0.2)
    before = server.scalar("SELECT pg_conf_load_time()")
    server.execute("SELECT pg_reload_conf()")
    wait_until(
        "reloaded", lambda: server.scalar("SELECT pg_conf_load_time()"), lambda t: t > before, timeout=60
    )
    name = f"configuration of {server.name}"
    by_hand = documentation_checks([server], run_history(str(tmp_path), Journal()), strict=True)
    assert not named(by_hand)[name].ok
    with pytest.raises(VerificationFailed, match="documented"):
        verify(by_hand)
    record(tmp_path, "06_online_changes", server, datetime.now(UTC) - timedelta(seconds=30), 30, "passed")
    documented = documentation_checks([server], run_history(str(tmp_path), Journal()), strict=True)
    assert named(documented)[name].ok
    verify(documented)


def test_a_change_that_broke_off_is_named(server: Server, tmp_path: Path) -> None:
    record(tmp_path, "06_online_changes", server, datetime.now(UTC) - timedelta(hours=1), 3, "killed")
    found = named(documentation_checks([server], run_history(str(tmp_path), Journal())))
    assert not found["the last change is complete"].ok
    assert "06_online_changes" in found["the last change is complete"].remedy
