"""CronJobs on a store: what is due becomes a Job, as far as policy and history allow."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from controller_bench import NAMESPACE, job

from pgnb_rehearsal.api.objects import Object, timestamp
from pgnb_rehearsal.controllers.cron_times import due, until_next
from pgnb_rehearsal.controllers.cronjobs import SCHEDULED
from pgnb_rehearsal.cron_schedule import ScheduleError, parse_schedule

NEVER = "0 0 31 2 *"


def _long_ago() -> str:
    """More than a year ago: `@yearly` has been due since, and is not due again while a test lasts."""
    return timestamp(datetime.now(UTC) - timedelta(days=400))


def _cron_job(b: Any, **spec: Any) -> None:
    """A CronJob named `nightly`, whose schedule never comes unless `spec` says otherwise."""
    template = {"spec": job()["spec"], "metadata": {"labels": {"of": "nightly"}, "annotations": {"a": "b"}}}
    given = {"schedule": NEVER, "jobTemplate": template, **spec}
    b.store.create("cronjobs", {"metadata": {"name": "nightly", "namespace": NAMESPACE}, "spec": given})


def _ran(b: Any, when: str) -> None:
    """Its last Job was due at this time."""

    def status(obj: Object) -> None:
        obj["status"]["lastScheduleTime"] = when

    b.store.modify("cronjobs", NAMESPACE, "nightly", status, subresource="status")


def _reschedule(b: Any, schedule: str) -> None:
    b.store.modify("cronjobs", NAMESPACE, "nightly", lambda obj: obj["spec"].update(schedule=schedule))


def _touch(b: Any) -> None:
    """Something else about it changes."""
    b.store.modify("cronjobs", NAMESPACE, "nightly", lambda obj: obj["metadata"].update(labels={"x": "y"}))


def _make_due(b: Any) -> None:
    """One Job of it is due now."""
    _ran(b, _long_ago())
    _reschedule(b, "@yearly")
    _touch(b)


def _status(b: Any) -> Any:
    return b.store.get("cronjobs", NAMESPACE, "nightly").get("status", {})


def _jobs(b: Any) -> list[Object]:
    return list(b.store.list("jobs", NAMESPACE))


def _end(b: Any, name: str) -> None:
    """The Job's pod succeeds."""
    (pod,) = b.pods(f"job-name={name}")
    b.end(pod, "Succeeded")


def test_what_is_due_becomes_a_job_of_that_minute(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _cron_job(b, timeZone="Asia/Tokyo")
            _make_due(b)
            (made,) = await b.until(lambda: _jobs(b))
            last = datetime.fromisoformat(await b.until(lambda: _status(b).get("lastScheduleTime")))
            metadata = made["metadata"]
            assert metadata["name"] == f"nightly-{int(last.timestamp()) // 60}"
            assert metadata["labels"]["of"] == "nightly"
            assert metadata["annotations"]["a"] == "b"
            assert metadata["annotations"][SCHEDULED].endswith("+09:00")
            assert datetime.fromisoformat(metadata["annotations"][SCHEDULED]) == last
            (owner,) = metadata["ownerReferences"]
            assert (owner["kind"], owner["name"], owner["controller"]) == ("CronJob", "nightly", True)
            assert made["spec"]["completions"] == 1, "a Job's own defaults"
            (active,) = await b.until(lambda: _status(b).get("active"))
            assert (active["kind"], active["name"], active["uid"]) == (
                "Job",
                metadata["name"],
                metadata["uid"],
            )
            assert f"Created job {metadata['name']}" in b.events("SuccessfulCreate")

    asyncio.run(scenario())


def test_a_job_that_ends_is_no_longer_active_and_its_success_is_noted(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _cron_job(b)
            _make_due(b)
            (made,) = await b.until(lambda: _jobs(b))
            name = made["metadata"]["name"]
            await b.until(lambda: b.pods(f"job-name={name}"))
            _end(b, name)
            await b.until(lambda: "lastSuccessfulTime" in _status(b))
            assert "active" not in _status(b)
            assert b.events("SawCompletedJob") == [f"Saw completed job: {name}, condition: Complete"]
            ended = b.store.get("jobs", NAMESPACE, name)["status"]["completionTime"]
            assert _status(b)["lastSuccessfulTime"] == ended

    asyncio.run(scenario())


def _foreign(b: Any, name: str = "nightly-1") -> None:
    """An active Job that belongs to the CronJob."""
    owner = b.store.get("cronjobs", NAMESPACE, "nightly")["metadata"]["uid"]
    reference = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": owner}
    made = job(name)
    made["metadata"]["ownerReferences"] = [{**reference, "controller": True}]
    uid = b.store.create("jobs", made)["metadata"]["uid"]

    def status(obj: Object) -> None:
        entry = {"kind": "Job", "namespace": NAMESPACE, "name": name, "uid": uid}
        obj["status"]["active"] = [*(obj["status"].get("active") or ()), entry]

    b.store.modify("cronjobs", NAMESPACE, "nightly", status, subresource="status")


@pytest.mark.parametrize(("policy", "count"), [("Allow", 2), ("Forbid", 1), ("Replace", 1)])
def test_a_job_that_still_runs_meets_the_concurrency_policy(bench: Any, policy: str, count: int) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _cron_job(b, concurrencyPolicy=policy)
            _foreign(b)
            await b.settled()
            _make_due(b)
            told = {"Allow": "SuccessfulCreate", "Forbid": "JobAlreadyActive", "Replace": "SuccessfulDelete"}
            await b.until(lambda: b.events(told[policy]))
            await b.settled()
            names = {made["metadata"]["name"] for made in _jobs(b)}
            assert len(names) == count
            assert ("nightly-1" in names) is (policy != "Replace")
            assert {entry["name"] for entry in _status(b)["active"]} == names

    asyncio.run(scenario())


def test_a_new_schedule_makes_up_for_nothing_by_itself(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _cron_job(b)
            _ran(b, _long_ago())
            await b.settled()
            _reschedule(b, "@yearly")
            await b.settled()
            assert _jobs(b) == []
            _touch(b)
            await b.until(lambda: _jobs(b))

    asyncio.run(scenario())


def test_what_is_too_late_is_missed(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _cron_job(b, startingDeadlineSeconds=0)
            _make_due(b)
            await b.settled()
            assert _jobs(b) == []
            b.store.modify(
                "cronjobs",
                NAMESPACE,
                "nightly",
                lambda obj: obj["spec"].update(startingDeadlineSeconds=10**8),
            )
            await b.until(lambda: _jobs(b))

    asyncio.run(scenario())


def test_a_suspended_cron_job_makes_nothing(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _cron_job(b, suspend=True)
            _make_due(b)
            await b.settled()
            assert _jobs(b) == []
            b.store.modify("cronjobs", NAMESPACE, "nightly", lambda obj: obj["spec"].update(suspend=False))
            await b.until(lambda: _jobs(b))

    asyncio.run(scenario())


def test_only_so_many_finished_jobs_are_kept(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _cron_job(b, successfulJobsHistoryLimit=1)
            for name in ("nightly-1", "nightly-2", "nightly-3"):
                _foreign(b, name)
                await b.until(lambda name=name: b.pods(f"job-name={name}"))
                _end(b, name)
            await b.until(lambda: [made["metadata"]["name"] for made in _jobs(b)] == ["nightly-3"])
            await b.until(lambda: len(b.pods()) == 1)
            assert sorted(b.events("SuccessfulDelete")) == ["Deleted job nightly-1", "Deleted job nightly-2"]

    asyncio.run(scenario())


def test_an_active_job_that_is_gone_is_told(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _cron_job(b)
            _foreign(b)
            await b.settled()
            b.store.delete("jobs", NAMESPACE, "nightly-1", propagation="Background")
            await b.until(lambda: b.events("MissingJob"))
            assert "active" not in _status(b)

    asyncio.run(scenario())


def test_a_schedule_without_a_time_is_told(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _cron_job(b)
            (text,) = await b.until(lambda: b.events("InvalidSchedule"))
            assert text.startswith(f"invalid schedule: {NEVER}")

    asyncio.run(scenario())


def test_its_jobs_go_with_a_cron_job(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _cron_job(b)
            _make_due(b)
            await b.until(lambda: b.pods())
            b.store.delete("cronjobs", NAMESPACE, "nightly", propagation="Background")
            await b.until(lambda: not _jobs(b))
            for pod in b.pods():
                b.remove(pod)
            await b.until(lambda: not b.pods())

    asyncio.run(scenario())


def test_a_namespace_takes_its_cron_jobs_with_it(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _cron_job(b)
            b.store.delete("namespaces", None, NAMESPACE)
            await b.until(lambda: b.store.find("namespaces", None, NAMESPACE) is None)
            assert b.store.list("cronjobs", NAMESPACE) == []

    asyncio.run(scenario())


# -- times -------------------------------------------------------------------------------------------------

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


def _made(created: str, last: str = "", **spec: Any) -> Object:
    status = {"lastScheduleTime": last} if last else {}
    return {"metadata": {"creationTimestamp": created}, "status": status, "spec": spec}


@pytest.mark.parametrize(
    ("cron_job", "schedule", "latest", "passed", "seconds"),
    [
        (_made("2026-03-01T12:00:10Z"), "* * * * *", None, 0, 30.1),
        (_made("2026-03-01T11:59:10Z"), "* * * * *", "2026-03-01T12:00:00Z", 1, 30.1),
        (_made("2026-01-01T00:00:00Z"), "* * * * *", "2026-03-01T12:00:00Z", 85680, 30.1),
        (_made("2026-01-01T00:00:00Z", "2026-03-01T11:59:00Z"), "* * * * *", "2026-03-01T12:00:00Z", 1, 30.1),
        (_made("2026-02-20T00:00:00Z"), "30 6-16/4 * * 1-5", None, 56, 66600 - 30 + 0.1),
        (_made("2026-02-20T00:00:00Z"), "30 6-16/4 * * *", "2026-03-01T10:30:00Z", 56, 9000 - 30 + 0.1),
        (_made("2026-03-01T11:59:50Z"), "@every 15s", "2026-03-01T12:00:20Z", 2, 5.1),
        (_made("2026-02-01T00:00:00Z", startingDeadlineSeconds=20), "0 * * * *", None, 0, 3570.1),
    ],
)
def test_what_is_due(
    cron_job: Object, schedule: str, latest: str | None, passed: int, seconds: float
) -> None:
    """The latest time counts, however many have passed; a deadline makes the others too late.

    As in Kubernetes, the search goes back by two steps of the schedule's beginning: not over a weekend.
    """
    read = parse_schedule(schedule)
    found = due(cron_job, read, NOW)
    assert (found.latest and timestamp(found.latest), found.passed) == (latest, passed)
    assert until_next(cron_job, read, NOW) == pytest.approx(seconds)


def test_a_time_that_never_comes_is_an_error() -> None:
    with pytest.raises(ScheduleError, match="time difference between two schedules"):
        due(_made("2026-01-01T00:00:00Z"), parse_schedule(NEVER), NOW)
