"""The notebooks on a rehearsal cluster: planned, carried out, and run again.

The tests of this module build on one another, in order, as a person's day does. Cells run without a
kernel, but for three notebooks that are carried out into records; the pipeline runs all of them so.
"""

import json

import pytest

from pgnb import plots
from pgnb.core.wait import wait_until
from pgnb.fleet.figures import figures_of
from pgnb.observe.writer import Writer
from pgnb.postgres.progress import marker
from pgnb.runbook.verdict import Verdict
from tests.notebooks import runs
from tests.notebooks.runs import NAMESPACE
from tests.notebooks.snapshot import snapshot

NUMBERS = ("00", "01", "02", "03", "04", "05", "06", "07", "08", "10", "11")
SWITCHOVER = "09"
AGAIN = tuple(number for number in NUMBERS if number not in ("05", "10"))
"""What is run again: all but those that only measure, for seconds each."""
BEFORE_THE_SET_UP = dict.fromkeys(NUMBERS, Verdict.FAILED) | {
    "00": Verdict.PLANNED,
    "01": Verdict.PLANNED,
    "02": Verdict.PLANNED,
    "03": Verdict.WOULD_STOP,
    "07": Verdict.PLANNED,
}
"""What a plan amounts to before 02 and 03 are carried out: a standby is missing, or a role and a slot."""
BY_KERNEL = ("02", "05")
FIGURES = {
    "00": {"lag", "versions"},
    "01": {"versions"},
    "08": {"lag", "versions"},
    "10": {"lag", "versions", "drift"},
    "11": {"lag", "versions", "drift", "last_backup"},
}
"""What a fleet's report finds in the journal of each nightly check, where a standby streams."""
SHORT = {"05": {"transactions": 100}, "07": {"rate_seconds": 1}, "10": {"monitor_seconds": 2}}


def _run(number, given, executed, **more):
    journal = executed / f"{number}-{len(list(executed.iterdir()))}.journal.jsonl"
    return runs.in_process(number, given, journal, **SHORT.get(number, {}), **more)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_plan_before_the_set_up_changes_nothing_and_says_what_is_missing(
    number, given, executed, observer, primary
):
    before = snapshot(observer, (primary,))
    outcome = _run(number, given, executed, dry_run="true")
    assert outcome.verdict == BEFORE_THE_SET_UP[number], outcome.error
    assert outcome.evidence.changes == 0
    assert snapshot(observer, (primary,)) == before
    if number in ("04", "05", "06", "10", "11"):
        assert "At least 1 is needed: section 3 makes a standby" in outcome.error
    if number == "03":
        assert any("replicator" in one for one in outcome.evidence.would_stop)


def test_a_plan_fails_for_what_it_sees(given, executed):
    """A misspelt selector, and a database that is not the expected one."""
    wrong = _run("02", given, executed, dry_run="true", primary_selector="app=postgres-primry")
    assert (wrong.verdict, wrong.evidence.changes) == (Verdict.FAILED, 0)
    assert "no pod in the namespace" in wrong.error
    other = _run("02", given, executed, dry_run="true", expect_system_identifier="42")
    assert other.verdict == Verdict.FAILED
    assert "is not the expected database cluster" in other.error


@pytest.mark.parametrize("number", NUMBERS)
def test_it_is_carried_out(number, given, archive, executed):
    if number in BY_KERNEL:
        ran = runs.run(number, given, archive, dry_run="false", **SHORT.get(number, {}))
    else:
        ran = _run(number, given, executed, dry_run="false")
    assert ran.verdict == Verdict.PASSED, ran.error
    if number == "10":
        assert_figures(number, figures_of(ran.evidence))


def assert_figures(number, figures):
    assert figures.keys() >= FIGURES.get(number, set())
    assert "lag" not in figures or figures["lag"]["connected"] is True


@pytest.mark.parametrize("number", AGAIN)
def test_a_second_run_finds_nothing_to_change(number, given, executed, observer, primary, standby):
    before = snapshot(observer, (primary, standby))
    outcome = _run(number, given, executed, dry_run="false")
    assert outcome.verdict == Verdict.PASSED, outcome.error
    assert snapshot(observer, (primary, standby)) == before
    lasting = [act for act in outcome.evidence.acts if not _passing(act)]
    assert lasting == []
    assert_figures(number, figures_of(outcome.evidence))


@pytest.mark.parametrize("number", AGAIN)
def test_a_plan_of_what_is_set_up_passes(number, given, executed, observer, primary, standby):
    before = snapshot(observer, (primary, standby))
    outcome = _run(number, given, executed, dry_run="true")
    assert outcome.verdict == Verdict.PLANNED, outcome.error
    assert snapshot(observer, (primary, standby)) == before


def _passing(act: dict[str, str]) -> bool:
    """A helper pod or a scratch database, which the same run removes again."""
    return (
        act["target"].startswith("pod/pgnb-")
        or "replication_test" in act["what"]
        or "test_async" in act["what"]
    )


def test_a_plan_of_the_switchover_changes_nothing(given, executed, observer, primary, standby):
    before = snapshot(observer, (primary, standby))
    outcome = _run(SWITCHOVER, given, executed, dry_run="true", allow_promotion=True)
    assert outcome.verdict == Verdict.PLANNED, outcome.error
    outcome = _run(SWITCHOVER, given, executed, dry_run="true")
    assert outcome.verdict == Verdict.WOULD_STOP, outcome.error
    assert any("allow_promotion" in one for one in outcome.evidence.would_stop)
    assert snapshot(observer, (primary, standby)) == before


def test_the_client_was_promised_nothing_that_is_not_there(observer, primary, standby):
    writer = Writer(observer, "app=sample-writer", "shop", "heartbeat")
    write_log = writer.report()
    assert write_log.acknowledged > 100
    assert writer.check_durability(primary, write_log).missing == []
    assert writer.check_durability(standby, write_log, lsn=marker(primary)).missing == []
    assert plots.gaps(write_log) is not None


def test_a_record_says_who_did_what_to_which_server(archive, observer, primary):
    record = next(r for r in archive.all() if r.notebook.startswith("02"))
    assert record.facts["namespace"] == NAMESPACE
    assert [s["system_identifier"] for s in record.servers] == [primary.facts.system_identifier]
    assert record.who
    assert json.loads((archive.path(record) / "record.json").read_text())["seal"]
    assert archive.verify() == []


def test_09_hands_the_role_over_and_the_client_loses_no_row(given, archive, observer, primary, standby):
    record = runs.run(SWITCHOVER, given, archive, page=True, dry_run="false", allow_promotion=True)
    assert record.verdict == Verdict.PASSED, record.error
    assert (archive.path(record) / "notebook.html").exists()
    writer = Writer(observer, "app=sample-writer", "shop", "heartbeat")
    write_log = writer.report()
    more = write_log.acknowledged + 1
    wait_until("its next rows", writer.report, lambda now: now.acknowledged >= more, timeout=60)
    assert standby.refresh().role == "primary"
    assert writer.check_durability(standby, write_log).missing == []
    assert writer.check_durability(primary, write_log, lsn=marker(standby)).missing == []


def test_no_secret_is_in_any_record(archive, executed, observer):
    runs.assert_no_secret(observer, runs.SECRETS, archive.folder, executed)
    assert archive.verify() == []
