"""Fleets on a rehearsal cluster: pods of the image, four databases, waves, a target that fails, S3."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from fleet_stage import NAMESPACES, Stage

from pgnb.core.wait import wait_until
from pgnb.fleet import job as jobs
from pgnb.fleet.progress import rollout_of
from pgnb.runbook.records import Archive

pytestmark = pytest.mark.long

BROKEN = {"name": "mill", "parameters": {"primary_selector": "app=nothing"}}
"""The third of the four: no pod matches."""
CHANGE = {"settings": {"wal_keep_size": "512MB"}, "dry_run": "false"}


def targets(*, broken: bool) -> list[dict[str, object]]:
    return [BROKEN if broken and name == "mill" else {"name": name} for name in NAMESPACES]


def plan_digest(stage: Stage, file: Path) -> str:
    shown = stage.fleet("plan", file)
    return shown.output.partition("\nPlan ")[2].split()[0]


def test_a_plan_shows_targets_waves_and_what_is_ready_and_makes_nothing(stage: Stage) -> None:
    file = stage.file(name="planned", waves=[1, 2])
    shown = stage.fleet("plan", file)
    assert shown.exit_code == 0, shown.output
    assert "4 targets in waves of 1, 2, 1" in shown.output
    assert "4 may be worked in" in shown.output
    assert "completionMode: Indexed" in shown.output
    assert (
        stage.kubectl("get", "jobs,configmaps", "-n", "pgnb", "-l", "pgnb/fleet=planned", "-o", "name") == ""
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"service_account": "nobody"}, "not there"),
        ({"records_secret": "nothing"}, "not there"),
        ({"targets": [{"name": "elsewhere"}]}, "no such namespace"),
        ({"targets": [{"name": "here", "namespace": "default"}]}, "may not get pods"),
        ({"pod": {"resources": {"limits": {"memory": "1X"}}}}, "quantit"),
    ],
)
def test_what_its_pods_lack_is_said_before_anything_is_made(stage: Stage, more: dict, words: str) -> None:
    file = stage.file(name="lacking", **more)
    result = stage.fleet("apply", file)
    assert result.exit_code in (1, 3), result.output
    assert words in result.output
    assert stage.kubectl("get", "jobs", "-n", "pgnb", "-l", "pgnb/fleet=lacking", "-o", "name") == ""


def test_four_databases_are_checked_and_one_fails(stage: Stage, tmp_path: Path) -> None:
    file = stage.file(name="checks", notebooks=["00", "01"], targets=targets(broken=True))
    content = yaml.safe_load(file.read_text())
    content["parameters"]["rbac_roles"] = ["pgnb-observe"]
    file.write_text(yaml.safe_dump(content))
    result = stage.fleet("apply", file)
    assert result.exit_code == 1, result.output
    assert "3 of 4 targets passed, 1 failed; finished" in result.output
    status = stage.fleet("status", file)
    assert (status.exit_code, "00 planned, 01 planned" in status.output) == (1, True), status.output
    with stage.store("checks") as store:
        found = store.entries()
        assert sorted(found) == sorted(NAMESPACES)
        assert [one.verdict for one in found["mill"]] == ["failed", "failed"]
        report = stage.fleet("report", file, "--out", str(tmp_path / "report.html"))
        assert report.exit_code == 1, report.output
        copied = stage.fleet("records", file, "shop", str(tmp_path / "shop"))
        assert copied.exit_code == 0, copied.output
    rows = [
        line.split()[0]
        for line in report.output.splitlines()
        if line.split()[:1] and line.split()[0] in NAMESPACES
    ]
    assert rows[0] == "mill", "the worst first"
    assert Archive(tmp_path / "shop").verify() == []
    assert "mill" in (tmp_path / "report.html").read_text()


def test_a_change_goes_out_in_waves_and_halts_where_a_target_fails(stage: Stage) -> None:
    stage.allow("pgnb-configure")
    file = stage.file(name="change", notebooks=["02"], waves=[1, 2], targets=targets(broken=True))
    content = yaml.safe_load(file.read_text())
    content["parameters"] |= CHANGE
    file.write_text(yaml.safe_dump(content))

    refused = stage.fleet("apply", file)
    assert (refused.exit_code, "this plan may change 4 servers" in refused.output) == (3, True), (
        refused.output
    )

    digest = plan_digest(stage, file)
    halted = stage.fleet("apply", file, "--plan", digest)
    assert halted.exit_code == 3, halted.output
    assert "halted after wave 2, because 1 of its targets failed: mill" in halted.output
    job = stage.job("pgnb-change-1")
    assert job["spec"]["suspend"]
    assert job["metadata"]["annotations"][jobs.RELEASED] == "2"
    assert job["status"]["completedIndexes"] == "0,1"
    assert job["status"]["failedIndexes"] == "2", "the pods that waited for wave 3 do not count as failures"
    with stage.store("change") as store:
        assert sorted(store.targets()) == ["bank", "farm", "mill"], "the third wave has done nothing"
    assert [stage.setting(one, "wal_keep_size") for one in ("bank", "farm", "shop")] == [
        "512MB",
        "512MB",
        "0",
    ]

    again = stage.fleet("apply", file, "--plan", digest)
    assert (again.exit_code, "has halted" in again.output) == (3, True), again.output
    went_on = stage.fleet("apply", file, "--plan", digest, "--proceed")
    assert went_on.exit_code == 1, went_on.output
    assert "3 of 4 targets passed, 1 failed; finished" in went_on.output
    with stage.store("change") as store:
        assert [one.changes > 0 for one in store.target("shop").index()] == [True]
    assert stage.setting("shop", "wal_keep_size") == "512MB"

    repaired = stage.file(name="change", notebooks=["02"], waves=[1, 2], targets=targets(broken=False))
    repaired.write_text(yaml.safe_dump(content | {"targets": targets(broken=False)}))
    only = stage.fleet("plan", repaired, "--failed")
    assert "1 targets in waves of 1" in only.output, only.output
    last = stage.fleet(
        "apply", repaired, "--failed", "--plan", only.output.partition("\nPlan ")[2].split()[0]
    )
    assert (last.exit_code, "1 of 1 targets passed" in last.output) == (0, True), last.output


def test_it_pauses_between_waves_and_goes_on_where_it_stood(stage: Stage) -> None:
    file = stage.file(name="paused", waves=[2], pause_between_waves=True)
    first = stage.fleet("apply", file)
    assert (first.exit_code, "the next one waits for `pgnb fleet apply`" in first.output) == (0, True), (
        first.output
    )
    seen = rollout_of(stage.cluster(), "pgnb-paused-1")
    assert (seen.passed, seen.failed, seen.suspended) == ({0, 1}, set(), True)
    second = stage.fleet("apply", file)
    assert (second.exit_code, "4 of 4 targets passed" in second.output) == (0, True), second.output
    assert (
        len(stage.kubectl("get", "jobs", "-n", "pgnb", "-l", "pgnb/fleet=paused", "-o", "name").split()) == 1
    )


def test_another_plan_is_refused_while_one_is_open(stage: Stage) -> None:
    file = stage.file(name="open", waves=[1], pause_between_waves=True)
    assert stage.fleet("apply", file).exit_code == 0
    changed = stage.file(name="open", waves=[1], pause_between_waves=True, notebooks=["00", "01"])
    result = stage.fleet("apply", changed)
    assert (result.exit_code, "another plan of the fleet open" in result.output) == (1, True), result.output


def test_a_labelled_namespace_is_a_target(stage: Stage) -> None:
    file = stage.file(name="found", targets=[], discover={"namespaces": "pgnb/fleet=production"})
    shown = stage.fleet("plan", file)
    assert "4 targets" in shown.output, shown.output


def test_a_schedule_runs_the_checks_by_itself(stage: Stage) -> None:
    file = stage.file(
        name="nightly", schedule="* * * * *", time_zone="Asia/Tokyo", targets=[{"name": "shop"}]
    )
    made = stage.fleet("apply", file)
    assert made.exit_code == 0, made.output
    cluster = stage.cluster()
    found = wait_until(
        "a Job of the schedule",
        lambda: [one for one in cluster.list("jobs", "pgnb/fleet=nightly") if one["status"].get("succeeded")],
        timeout=240,
    )
    assert found
    assert "1 of 1 targets passed" in stage.fleet("status", file).output
    assert "nothing to change" in stage.fleet("apply", file).output
    stage.kubectl("delete", "cronjob", "-n", "pgnb", "pgnb-nightly")
    cluster.close()
