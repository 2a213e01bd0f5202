"""What a report knows of a run comes from its journal, as numbers and names."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pgnb.core.checks import Check, Checks, gate, judge_at_end, verify
from pgnb.core.errors import VerificationFailed
from pgnb.core.journal import Journal
from pgnb.fleet.figures import DRIFT, figures_of
from pgnb.logical.status import DatabaseStatus, LogicalStatus
from pgnb.observe.limits import Limits
from pgnb.observe.measure import Service
from pgnb.observe.recording import Recording
from pgnb.observe.topology import Link, Node, Topology
from pgnb.observe.write_log import WriteLog
from pgnb.online.drift import drift_checks
from pgnb.practices.backups import Backup, Backups
from pgnb.practices.practices import documentation_checks
from pgnb.practices.run_history import RunHistory
from pgnb.runbook.records import Archive
from pgnb.runbook.summary import summary_of
from pgnb.runbook.verdict import read
from tests.unit.fleet.runs import sealed, server

_MB = 1 << 20


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


def figures(journal: Journal) -> dict[str, Any]:
    assert journal.path is not None
    return figures_of(read(journal.path))


def test_a_run_that_measured_nothing_has_no_figures(journal):
    journal.finished()
    assert figures(journal) == {}


def test_the_receiver_that_is_furthest_behind_is_the_run_s_lag(journal):
    primary = Node("pod/primary", "primary")
    near, far = Node("pod/near", "standby"), Node("pod/far", "standby")
    links = (
        Link("pod/primary", "pod/near", "near", "", "streaming", "async", "", 10, 0.1),
        Link("pod/primary", "pod/far", "far", "", "streaming", "async", "", 5 * _MB, None),
        Link("pod/primary", "", slot="unused", retained=9 * _MB),
    )
    seen = Topology("here", (primary, near, far), links)
    journal.figure("lag", seen.lag)
    assert figures(journal)["lag"] == {
        "name": "pod/far",
        "bytes": 5 * _MB,
        "seconds": None,
        "connected": True,
    }
    journal.figure(
        "lag", replace(seen, links=links[:2], nodes=(*seen.nodes, Node("pod/lost", "standby"))).lag
    )
    assert figures(journal)["lag"] == {"name": "pod/lost", "bytes": None, "seconds": None, "connected": False}


def test_a_recording_s_lag_is_the_most_that_was_seen(journal):
    columns = {
        ("primary", "wal_rate"): (1.0, 1.0),
        ("a", "behind"): (100.0, 5000.0),
        ("a", "age"): (0.2, 0.1),
        ("a", "connected"): (1.0, 1.0),
        ("b", "behind"): (None, None),
        ("b", "connected"): (1.0, 0.0),
    }
    lag = Recording(None, 1.0, (0.0, 1.0), columns, "primary").lag
    assert lag == {
        "a": {"bytes": 5000.0, "seconds": 0.2, "connected": True},
        "b": {"bytes": None, "seconds": None, "connected": False},
    }
    journal.figure("lag", lag)
    assert figures(journal)["lag"]["name"] == "b"


def test_a_subscription_without_a_slot_is_not_connected(journal):
    status = DatabaseStatus("shop", "sub", True, 1, 0.1, 0, 0, 1, (), "slot", None)
    assert LogicalStatus((status,), "", journal).lag == {
        "shop": {"bytes": None, "seconds": None, "connected": False}
    }


def test_the_last_backup_is_a_moment_and_none_is_said_too(journal):
    ended = datetime(2026, 1, 31, 4, tzinfo=UTC)
    signs = (
        Backup("cronjob/backup", ended, True),
        Backup("base backup", datetime(2026, 2, 1, tzinfo=UTC), False),
    )
    journal.figure("last_backup", Backups(signs, {}).figure)
    assert figures(journal)["last_backup"] == {
        "ended": "2026-01-31T04:00:00+00:00",
        "source": "cronjob/backup",
    }
    journal.figure("last_backup", Backups(signs[1:], {}).figure)
    assert figures(journal)["last_backup"] == {"ended": None, "source": None}


def test_the_longest_gap_of_a_client_is_kept(journal):
    times = [datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in (0, 1, 8)]
    log = WriteLog("writer", [1, 2, 3], times, times[-1])
    service = Service(journal)
    assert service.keep(log) is service.write_log is log
    assert figures(journal)["write_gap"] == 7.0


def test_drift_is_what_differs_in_the_tables_that_compare(journal):
    limits = Limits(64 * _MB, 30.0, 1 << 30)
    away = Recording(None, 1.0, (0.0,), {("a", "connected"): (0.0,), ("a", "behind"): (5.0,)}, "primary")
    with pytest.raises(VerificationFailed):
        verify(away.checks(limits, journal))
    items = [Check("wal_level", False, "logical", "replica", advice=True), Check("port", True, 5432)]
    verify(Checks.of("ConfigMaps and servers", items, journal))
    documented = [
        Check("configuration of pod/a", False, "loaded by hand", advice=True),
        Check("the last change is complete", False, "1 of 2", advice=True),
    ]
    verify(Checks.of("Changes are documented", documented, journal))
    verify(Checks.of("Anything else", [Check("x", False, 1, advice=True)], journal))
    found = figures(journal)
    assert found["drift"] == ["a: connected to the primary", "wal_level", "configuration of pod/a"]
    assert [one["name"] for one in found["failed"]] == ["a: connected to the primary"]


def test_without_a_difference_drift_is_none_and_not_unknown(journal):
    verify(Checks.of("ConfigMaps and servers", [Check("port", True, 5432)], journal))
    assert figures(journal)["drift"] == []


def test_the_tables_of_drift_are_those_that_the_code_makes(journal):
    unseen = SimpleNamespace(journal=journal, present=False, name="pod/a")
    tables = [
        drift_checks(unseen, {}),  # type: ignore[arg-type]
        documentation_checks([unseen], RunHistory(Path(), ())),  # type: ignore[list-item]
        Recording(None, 1.0, (), {}).checks(Limits(1, 1.0, 1), journal),
    ]
    assert {table.title for table in tables} == set(DRIFT)


def test_failed_checks_have_what_was_found_and_what_to_do(journal):
    failing = Check("slot is in use", False, False, True, "Look at 07.")
    judge_at_end(Checks.of("Slots", [failing, Check("fine", True, 1)], journal))
    server(journal)
    server(journal, "standby-0", postgresql="17.5", role="standby")
    with journal.act("pod/primary-0", "reload the configuration"):
        pass
    found = figures(journal)
    assert found["failed"] == [
        {"name": "slot is in use", "found": "no", "wanted": "yes", "remedy": "Look at 07."}
    ]
    assert found["versions"] == ["17.5", "17.6"]
    assert found["changed"] == ["pod/primary-0: reload the configuration"]


def test_a_plan_says_where_it_would_stop(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl", dry_run=True)
    gate(Checks.of("Ready?", [Check("enough disk", False, "1 GB", "2 GB")], journal))
    journal.finished()
    found = figures(journal)
    assert found["stops"] == ["Ready?: enough disk"]
    assert "failed" not in found


def test_many_and_long_texts_are_cut(journal):
    judge_at_end(Checks.of("Many", [Check(f"{n}", False, "x" * 999) for n in range(50)], journal))
    found = figures(journal)["failed"]
    assert len(found) == 20 and all(len(one["found"]) == 300 for one in found)


def test_figures_are_no_facts_for_a_reader(tmp_path):
    archive = Archive(tmp_path)
    record = sealed(archive, journal=lambda journal: (journal.figure("lag", {}), journal.facts(drill="once")))
    assert summary_of(archive, record)["facts"].lines == ("drill: once",)
    assert record.facts["figure.lag"] == {}
