"""Jobs that are suspended and resumed."""

from __future__ import annotations

import asyncio
from typing import Any

from controller_bench import NAMESPACE, indexed, job

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.controllers.job_indexes import index_of
from pgnb_rehearsal.controllers.pods import is_active


def _job(b: Any) -> Any:
    return b.store.get("jobs", NAMESPACE, "job")


def _status(b: Any) -> Any:
    return _job(b).get("status", {})


def _suspended(b: Any) -> tuple[str, str, str] | None:
    """Status, reason and message of the condition Suspended."""
    found = [c for c in _status(b).get("conditions", ()) if c["type"] == "Suspended"]
    return (found[0]["status"], found[0]["reason"], found[0]["message"]) if found else None


def _active(b: Any) -> list[Object]:
    return [pod for pod in b.pods() if is_active(pod)]


def _patch(b: Any, **spec: Any) -> None:
    b.store.modify("jobs", NAMESPACE, "job", lambda obj: obj["spec"].update(spec))


STOPPED = ("True", "JobSuspended", "Job suspended")
RESUMED = ("False", "JobResumed", "Job resumed")


def test_a_job_that_is_made_suspended_begins_when_it_is_resumed(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", job(suspend=True))
            await b.until(lambda: _suspended(b) == STOPPED)
            await b.settled()
            assert b.pods() == [] and "startTime" not in _status(b)
            _patch(b, suspend=False)
            (pod,) = await b.until(lambda: _active(b))
            await b.until(lambda: _suspended(b) == RESUMED)
            assert "startTime" in _status(b)
            assert (b.events("Suspended"), b.events("Resumed")) == (["Job suspended"], ["Job resumed"])
            b.end(pod, "Succeeded")
            await b.until(lambda: "completionTime" in _status(b))

    asyncio.run(scenario())


def test_suspending_ends_the_active_pods_and_counts_none_of_them(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", indexed(4, 3, backoffLimitPerIndex=0))
            await b.until(lambda: _status(b).get("active") == 3)
            first = next(pod for pod in _active(b) if index_of(pod) == 1)
            b.end(first, "Succeeded")
            await b.until(lambda: _status(b).get("completedIndexes") == "1")
            await b.until(lambda: _status(b).get("active") == 3)
            await b.settled()  # until then they have no node, and would be gone at once
            _patch(b, suspend=True)
            await b.until(lambda: _suspended(b) == STOPPED)
            await b.until(lambda: (_status(b)["ready"], _status(b)["terminating"]) == (0, 3))
            status = _status(b)
            assert "active" not in status and "startTime" not in status
            for pod in b.pods():
                if "deletionTimestamp" in pod["metadata"]:
                    b.end(pod, "Failed", 79)
                    b.remove(pod)
            await b.until(lambda: _status(b)["terminating"] == 0)
            assert (_status(b)["completedIndexes"], _status(b)["failedIndexes"]) == ("1", "")
            assert "failed" not in _status(b)
            _patch(b, suspend=False, parallelism=2)
            await b.until(lambda: sorted(map(index_of, _active(b))) == [0, 2])
            assert "startTime" in _status(b)

    asyncio.run(scenario())


def test_a_resumed_job_that_replaces_failed_pods_only_waits_for_the_old_ones(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", job(podReplacementPolicy="Failed"))
            (pod,) = await b.until(lambda: _active(b))
            await b.settled()  # until then it has no node, and would be gone at once
            _patch(b, suspend=True)
            await b.until(lambda: _suspended(b) == STOPPED)
            _patch(b, suspend=False)
            await b.until(lambda: _suspended(b) == RESUMED)
            await b.settled()
            assert _active(b) == []
            b.remove(pod)
            await b.until(lambda: _active(b))

    asyncio.run(scenario())


def test_the_deadline_stands_still_while_a_job_is_suspended(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", job(suspend=True, activeDeadlineSeconds=1))
            await b.until(lambda: _suspended(b) == STOPPED)
            _patch(b, suspend=False)
            await b.until(lambda: any(c["reason"] == "DeadlineExceeded" for c in _status(b)["conditions"]))

    asyncio.run(scenario())


def test_an_annotation_and_the_parallelism_come_with_one_patch(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", indexed(4, 1, suspend=True))
            await b.until(lambda: _suspended(b) == STOPPED)

            def release(obj: Object) -> None:
                obj["metadata"].setdefault("annotations", {})["wave"] = "1"
                obj["spec"] |= {"suspend": False, "parallelism": 2}

            b.store.modify("jobs", NAMESPACE, "job", release)
            await b.until(lambda: sorted(map(index_of, _active(b))) == [0, 1])
            assert _job(b)["metadata"]["annotations"]["wave"] == "1"

    asyncio.run(scenario())
