"""Jobs on a store: counting, back-off, limits, ways of deleting."""

from __future__ import annotations

import asyncio
from typing import Any

from controller_bench import NAMESPACE, job

from pgnb_rehearsal.controllers.job_view import TRACKING


def _job(b: Any, **spec: Any) -> None:
    b.store.create("jobs", job(**spec))


def _status(b: Any) -> Any:
    return b.store.get("jobs", NAMESPACE, "job").get("status", {})


def _conditions(b: Any) -> list[tuple[str, str]]:
    return [(c["type"], c["reason"]) for c in _status(b).get("conditions", ())]


def test_a_job_that_succeeds_is_complete_and_lets_its_pod_go(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _job(b)
            (pod,) = await b.until(b.pods)
            assert pod["metadata"]["finalizers"] == [TRACKING]
            b.run(pod)
            await b.until(lambda: _status(b).get("ready") == 1)
            b.end(pod, "Succeeded")
            await b.until(lambda: ("Complete", "CompletionsReached") in _conditions(b))
            await b.settled()
            status = _status(b)
            assert (status["succeeded"], status["ready"], status["uncountedTerminatedPods"]) == (1, 0, {})
            assert "completionTime" in status and "active" not in status
            assert "finalizers" not in b.pods()[0]["metadata"]
            assert b.events("Completed") == ["Job completed"]

    asyncio.run(scenario())


def test_a_failed_pod_is_followed_by_a_pause_and_the_limit_by_the_end(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _job(b, backoffLimit=0)
            (pod,) = await b.until(b.pods)
            b.end(pod, "Failed")
            await b.until(lambda: ("Failed", "BackoffLimitExceeded") in _conditions(b))
            await b.settled()
            assert _status(b)["failed"] == 1 and len(b.pods()) == 1
            assert b.events("BackoffLimitExceeded") == ["Job has reached the specified backoff limit"]

    asyncio.run(scenario())


def test_no_new_pod_within_the_back_off(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _job(b, backoffLimit=3)
            (pod,) = await b.until(b.pods)
            b.end(pod, "Failed")
            await b.until(lambda: _status(b).get("failed") == 1)
            await b.settled()
            assert len(b.pods()) == 1

    asyncio.run(scenario())


def test_past_its_deadline_a_job_fails_once_its_pods_have_ended(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _job(b, activeDeadlineSeconds=1)
            (pod,) = await b.until(b.pods)
            b.run(pod)
            await b.until(lambda: "deletionTimestamp" in b.pods()[0]["metadata"])
            await b.settled()
            assert _conditions(b) == [("FailureTarget", "DeadlineExceeded")]
            assert (_status(b)["failed"], _status(b)["terminating"]) == (1, 1)
            b.remove(pod)
            await b.until(lambda: ("Failed", "DeadlineExceeded") in _conditions(b))

    asyncio.run(scenario())


def test_several_completions_run_as_many_at_once_as_parallelism_says(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _job(b, completions=3, parallelism=2)
            await b.until(lambda: len(b.pods()) == 2)
            for _ in range(3):
                await b.settled()
                running = [pod for pod in b.pods() if pod["status"]["phase"] not in ("Succeeded", "Failed")]
                assert len(running) <= 2
                b.end(running[0], "Succeeded")
            await b.until(lambda: ("Complete", "CompletionsReached") in _conditions(b))
            assert _status(b)["succeeded"] == 3

    asyncio.run(scenario())


def test_a_finished_job_with_a_time_to_live_goes_away_with_its_pods(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _job(b, ttlSecondsAfterFinished=0)
            (pod,) = await b.until(b.pods)
            b.end(pod, "Succeeded")
            await b.until(lambda: not b.pods() and not b.store.list("jobs", NAMESPACE))

    asyncio.run(scenario())


def test_each_way_of_deleting_leaves_what_it_should(bench: Any) -> None:
    async def scenario(propagation: str, left: int) -> None:
        async with bench() as b:
            _job(b)
            (pod,) = await b.until(b.pods)
            b.end(pod, "Succeeded")
            await b.until(lambda: ("Complete", "CompletionsReached") in _conditions(b))
            await b.settled()
            b.store.delete("jobs", NAMESPACE, "job", propagation=propagation)
            await b.until(lambda: not b.store.list("jobs", NAMESPACE))
            await b.settled()
            assert len(b.pods()) == left
            assert all("ownerReferences" not in pod["metadata"] for pod in b.pods())

    for propagation, left in (("Foreground", 0), ("Background", 0), ("Orphan", 1)):
        asyncio.run(scenario(propagation, left))
