"""The notebooks of section 12 beside a physical standby: planned, carried out, and run again.

The tests of this module build on one another, in order, as a person's day does. Cells run without a
kernel, but for two notebooks that are carried out into records; the pipeline runs all of them so.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pgnb.cluster import Cluster
from pgnb.core.wait import wait_until
from pgnb.observe.writer import Writer
from pgnb.postgres import Server
from pgnb.postgres.progress import marker, wait_replayed
from pgnb.runbook.records import Archive
from pgnb.runbook.verdict import Verdict
from tests.notebooks import runs
from tests.notebooks.snapshot import snapshot

NUMBERS = ("12", "12_07", "12_08", "12_09", "12_10")
CARRIED_OUT = NUMBERS[:4]
BY_KERNEL = "12_08"
ALLOWED = {
    "12": {"allow_restart": True, "allow_replica_identity": True},
    "12_08": {"allow_restart": True, "allow_replica_identity": True},
    "12_09": {"allow_restart": True},
}


@pytest.mark.parametrize("number", NUMBERS)
def test_before_anything_is_set_up_12_plans_and_the_others_say_that_it_comes_first(
    number, given, executed, observer, publisher
):
    before = snapshot(observer, (publisher,), every_database=True)
    journal, more = executed / f"{number}-first.journal.jsonl", ALLOWED.get(number, {})
    outcome = runs.in_process(number, given, journal, dry_run="true", **more)
    assert outcome.evidence.changes == 0
    assert snapshot(observer, (publisher,), every_database=True) == before
    if number == "12":
        assert outcome.verdict == Verdict.PLANNED, outcome.error
    else:
        assert outcome.verdict == Verdict.FAILED
        assert outcome.error.startswith("PodError: no pod in the namespace")
        assert outcome.error.endswith("If it never existed, run 12_00_logical_replication first.")


@pytest.mark.parametrize("number", ["02", "03"])
def test_a_physical_standby_is_there_first(number, given, executed):
    outcome = runs.in_process(number, given, executed / f"{number}.journal.jsonl", dry_run="false")
    assert outcome.verdict == Verdict.PASSED, outcome.error


@pytest.mark.parametrize("number", CARRIED_OUT)
def test_it_is_carried_out(number, given, archive, executed):
    allowed = {"dry_run": "false", **ALLOWED.get(number, {})}
    if number == BY_KERNEL:
        ran = runs.run(number, given, archive, **allowed)
    else:
        ran = runs.in_process(number, given, executed / f"{number}-done.journal.jsonl", **allowed)
    assert ran.verdict == Verdict.PASSED, ran.error


def test_the_standby_replays_on(publisher, standby):
    wait_replayed(standby, marker(publisher), 60)


@pytest.mark.parametrize("number", [number for number in CARRIED_OUT if number != "12_09"])
def test_a_second_run_finds_nothing_to_change(
    number, given, executed, observer, publisher, standby, subscriber
):
    servers = (publisher, standby, subscriber)
    before = snapshot(observer, servers, every_database=True)
    journal = executed / f"{number}-again.journal.jsonl"
    outcome = runs.in_process(number, given, journal, dry_run="false", **ALLOWED.get(number, {}))
    assert outcome.verdict == Verdict.PASSED, outcome.error
    assert snapshot(observer, servers, every_database=True) == before
    acts = [act["what"] for act in outcome.evidence.acts]
    assert [what for what in acts if ": write the marker " not in what] == []


@pytest.mark.parametrize("number", ["12", "12_10"])
def test_a_plan_of_what_is_set_up_changes_nothing(number, given, executed, observer, publisher, subscriber):
    servers = (publisher, subscriber)
    before, markers = snapshot(observer, servers, every_database=True), _markers(subscriber)
    journal = executed / f"{number}-planned.journal.jsonl"
    outcome = runs.in_process(number, given, journal, dry_run="true")
    # The cut-over alone has something to do, which is not allowed.
    assert outcome.verdict == (Verdict.WOULD_STOP if number == "12_10" else Verdict.PLANNED), outcome.error
    if number == "12_10":
        assert any("allow_cutover" in one for one in outcome.evidence.would_stop)
    assert outcome.evidence.changes == 0
    assert snapshot(observer, servers, every_database=True) == before
    assert _markers(subscriber) == markers


def _markers(server: Server) -> dict[str, list[object]]:
    """The marker rows of every database that has the table."""
    names = [row["name"] for row in server.query("databases") if row["name"] != "postgres"]
    return {name: list(server.query("SELECT * FROM pgnb.marker", database=name)) for name in names}


def test_the_client_was_promised_nothing_that_is_not_there(observer, publisher, standby, subscriber):
    writer = Writer(observer, "app=sample-writer", "shop", "heartbeat")
    write_log = writer.report()
    assert write_log.acknowledged > 100
    assert not write_log.duplicates
    assert writer.check_durability(publisher, write_log).missing == []
    assert writer.check_durability(standby, write_log, lsn=marker(publisher)).missing == []
    wait_until(
        "the rows on the subscriber",
        lambda: writer.check_durability(subscriber, write_log).missing,
        lambda missing: not missing,
        timeout=60,
    )


def test_no_secret_is_in_any_subscription(subscriber: Server):
    texts = [row["text"] for row in subscriber.query("SELECT subconninfo AS text FROM pg_subscription")]
    assert len(texts) == 4
    assert all("passfile=" in text and "password" not in text for text in texts)


def test_12_10_hands_over_and_the_client_loses_no_row(given, archive, observer, subscriber):
    record = runs.run("12_10", given, archive, page=True, dry_run="false", allow_cutover=True)
    assert record.verdict == Verdict.PASSED, record.error
    assert subscriber.query("SELECT * FROM pg_subscription") == []
    writer = Writer(observer, "app=sample-writer", "shop", "heartbeat")
    write_log = writer.report()
    more = write_log.acknowledged + 1
    wait_until("its next rows", writer.report, lambda now: now.acknowledged >= more, timeout=60)
    assert writer.check_durability(subscriber, write_log).missing == []


def test_no_secret_is_in_any_record(archive: Archive, executed: Path, observer: Cluster):
    secrets = (*runs.SECRETS, runs.SUBSCRIBER_SECRET)
    runs.assert_no_secret(observer, secrets, archive.folder, executed)
    assert archive.verify() == []
