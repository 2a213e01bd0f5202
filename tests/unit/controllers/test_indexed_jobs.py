"""Indexed Jobs on a store: each index once, its retries, and what the status says of them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from controller_bench import NAMESPACE, indexed

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.controllers import job_backoff
from pgnb_rehearsal.controllers.job_backoff import BackOff, ended_at
from pgnb_rehearsal.controllers.job_indexes import FAILURES, IGNORED_FAILURES, INDEX, misplaced, missing
from pgnb_rehearsal.controllers.job_view import TRACKING
from pgnb_rehearsal.controllers.pods import is_active
from pgnb_rehearsal.index_ranges import read_indexes, written_indexes


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed pod is replaced at once."""
    monkeypatch.setattr(job_backoff, "FIRST_PAUSE", 0.0)


@pytest.fixture
def long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed pod is not replaced while a test lasts."""
    monkeypatch.setattr(job_backoff, "FIRST_PAUSE", 3600.0)
    monkeypatch.setattr(job_backoff, "LONGEST_PAUSE", 3600.0)


def _status(b: Any) -> Any:
    return b.store.get("jobs", NAMESPACE, "job").get("status", {})


def _reason(b: Any) -> str:
    """Why the job is over; empty while it is not."""
    ends = [c for c in _status(b).get("conditions", ()) if c["type"] in ("Complete", "Failed")]
    return str(ends[0]["reason"]) if ends else ""


def _index(pod: Object) -> int:
    return int(pod["metadata"]["annotations"][INDEX])


def _active(b: Any) -> dict[int, Object]:
    """The active pods by their index."""
    return {_index(pod): pod for pod in b.pods() if is_active(pod)}


def _patch(b: Any, **spec: Any) -> None:
    b.store.modify("jobs", NAMESPACE, "job", lambda obj: obj["spec"].update(spec))


def _remove_the_deleted(b: Any) -> None:
    for pod in b.pods():
        if "deletionTimestamp" in pod["metadata"]:
            b.remove(pod)


def test_a_pod_knows_its_index(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            made = indexed(2, 2)
            spec = made["spec"]["template"]["spec"]
            spec["initContainers"] = [{"name": "first", "image": "i"}]
            spec["containers"].append(
                {"name": "own", "image": "i", "env": [{"name": "JOB_COMPLETION_INDEX", "value": "x"}]}
            )
            b.store.create("jobs", made)
            await b.until(lambda: len(b.pods()) == 2)
            for index, pod in _active(b).items():
                assert pod["metadata"]["name"].startswith(f"job-{index}-")
                assert pod["metadata"]["labels"][INDEX] == str(index)
                assert pod["spec"]["hostname"] == f"job-{index}"
                main, own = pod["spec"]["containers"]
                reference = {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}
                told = {"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": reference}}
                assert main["env"] == [told] == pod["spec"]["initContainers"][0]["env"]
                assert own["env"] == [{"name": "JOB_COMPLETION_INDEX", "value": "x"}]

    asyncio.run(scenario())


def test_the_lowest_indexes_come_first_and_each_counts_once(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", indexed(6, 2))
            await b.until(lambda: set(_active(b)) == {0, 1})
            b.end(_active(b)[1], "Succeeded")
            await b.until(lambda: set(_active(b)) == {0, 2})
            assert (_status(b)["completedIndexes"], _status(b)["succeeded"]) == ("1", 1)
            for index in (2, 3, 4, 5, 0):
                await b.until(lambda index=index: index in _active(b))
                b.end(_active(b)[index], "Succeeded")
            await b.until(lambda: _reason(b) == "CompletionsReached")
            status = _status(b)
            assert (status["completedIndexes"], status["succeeded"]) == ("0-5", 6)
            assert "active" not in status and "failedIndexes" not in status
            assert len(b.pods()) == 6
            assert not any(TRACKING in pod["metadata"].get("finalizers", ()) for pod in b.pods())

    asyncio.run(scenario())


def test_an_index_that_has_no_failures_left_is_given_up_alone(bench: Any, no_pause: None) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", indexed(3, 3, backoffLimitPerIndex=1))
            await b.until(lambda: set(_active(b)) == {0, 1, 2})
            first = _active(b)[1]
            assert first["metadata"]["annotations"][FAILURES] == "0"
            b.end(first, "Failed")
            await b.until(lambda: 1 in _active(b))
            again = _active(b)[1]
            assert again["metadata"]["annotations"][FAILURES] == "1"
            await b.until(lambda: _status(b).get("failed") == 1)
            assert _status(b)["failedIndexes"] == ""
            b.end(again, "Failed")
            await b.until(lambda: _status(b).get("failedIndexes") == "1")
            await b.settled()
            assert set(_active(b)) == {0, 2}, "the others go on, and nothing tries index 1 again"
            b.end(_active(b)[0], "Succeeded")
            b.end(_active(b)[2], "Succeeded")
            await b.until(lambda: _reason(b) == "FailedIndexes")
            status = _status(b)
            assert (status["completedIndexes"], status["failedIndexes"]) == ("0,2", "1")
            assert (status["succeeded"], status["failed"]) == (2, 2)
            assert b.events("FailedIndexes") == ["Job has failed indexes"]

    asyncio.run(scenario())


def test_too_many_failed_indexes_end_the_job(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", indexed(5, 3, backoffLimitPerIndex=0, maxFailedIndexes=1))
            await b.until(lambda: set(_active(b)) == {0, 1, 2})
            b.end(_active(b)[0], "Failed")
            await b.until(lambda: set(_active(b)) == {1, 2, 3})
            b.end(_active(b)[2], "Failed")
            await b.until(lambda: not _active(b))
            _remove_the_deleted(b)
            await b.until(lambda: _reason(b) == "MaxFailedIndexesExceeded")
            assert _status(b)["failedIndexes"] == "0,2"
            text = "Job has exceeded the specified maximal number of failed indexes"
            assert b.events("MaxFailedIndexesExceeded") == [text]

    asyncio.run(scenario())


def test_an_index_that_failed_pauses_and_the_others_do_not(bench: Any, long_pause: None) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", indexed(4, 2, backoffLimitPerIndex=3))
            await b.until(lambda: set(_active(b)) == {0, 1})
            failed = _active(b)[0]
            b.end(failed, "Failed")
            await b.settled()
            assert set(_active(b)) == {1}, "the place is kept for index 0, which is due first"
            b.end(_active(b)[1], "Succeeded")
            await b.until(lambda: 2 in _active(b))
            assert 0 not in _active(b)
            held = b.store.get("pods", NAMESPACE, failed["metadata"]["name"])
            assert TRACKING in held["metadata"]["finalizers"], "held until its successor takes over its count"

    asyncio.run(scenario())


def test_an_index_whose_pod_is_on_its_way_out_is_not_given_to_another(bench: Any, no_pause: None) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", indexed(3, 2, podReplacementPolicy="Failed"))
            await b.until(lambda: set(_active(b)) == {0, 1})
            await b.settled()  # until then they have no node, and would be gone at once
            leaving = _active(b)[0]
            b.run(leaving)
            b.store.delete("pods", NAMESPACE, leaving["metadata"]["name"])
            _patch(b, parallelism=3)
            await b.until(lambda: set(_active(b)) == {1, 2})
            await b.settled()
            assert set(_active(b)) == {1, 2}
            b.end(leaving, "Failed", 137)
            await b.until(lambda: set(_active(b)) == {0, 1, 2})

    asyncio.run(scenario())


def test_parallelism_can_change_while_it_runs(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", indexed(6, 2))
            await b.until(lambda: set(_active(b)) == {0, 1})
            _patch(b, parallelism=4)
            await b.until(lambda: set(_active(b)) == {0, 1, 2, 3})
            for index in (0, 1, 2):
                b.run(_active(b)[index])
            await b.until(lambda: _status(b).get("ready") == 3)
            _patch(b, parallelism=3)
            await b.until(lambda: set(_active(b)) == {0, 1, 2})
            assert "failed" not in _status(b), "a pod that is given up is no failure"
            _patch(b, parallelism=0)
            await b.until(lambda: not _active(b))

    asyncio.run(scenario())


def test_an_elastic_job_forgets_the_indexes_that_it_lost(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", indexed(4, 4))
            await b.until(lambda: len(_active(b)) == 4)
            b.end(_active(b)[3], "Succeeded")
            await b.until(lambda: _status(b).get("completedIndexes") == "3")
            _patch(b, parallelism=2, completions=2)
            await b.until(lambda: set(_active(b)) == {0, 1})
            _remove_the_deleted(b)
            await b.until(lambda: "completedIndexes" not in _status(b))
            b.end(_active(b)[0], "Succeeded")
            b.end(_active(b)[1], "Succeeded")
            await b.until(lambda: _reason(b) == "CompletionsReached")
            assert (_status(b)["completedIndexes"], _status(b)["succeeded"]) == ("0,1", 2)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("rules", "ended", "message"),
    [
        ([{"succeededCount": 2}], (3, 1), "Matched rules at index 0"),
        ([{"succeededIndexes": "0"}, {"succeededIndexes": "1-2"}], (1, 2), "Matched rules at index 1"),
        ([{"succeededIndexes": "0-2", "succeededCount": 1}], (2,), "Matched rules at index 0"),
    ],
)
def test_a_success_policy_ends_the_job_early(
    bench: Any, rules: list[Object], ended: tuple[int, ...], message: str
) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", indexed(4, 4, successPolicy={"rules": rules}))
            await b.until(lambda: len(_active(b)) == 4)
            for index in ended:
                assert not _status(b).get("conditions")
                b.end(_active(b)[index], "Succeeded")
                await b.settled()
            assert not _active(b)
            _remove_the_deleted(b)
            await b.until(lambda: _reason(b) == "SuccessPolicy")
            (met, complete) = _status(b)["conditions"]
            assert (met["type"], met["message"], complete["type"]) == (
                "SuccessCriteriaMet",
                message,
                "Complete",
            )
            assert "failed" not in _status(b)

    asyncio.run(scenario())


def test_a_refused_pod_keeps_nobody_from_being_counted(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            hard = {"metadata": {"name": "q", "namespace": NAMESPACE}, "spec": {"hard": {"count/pods": "2"}}}
            b.store.create("resourcequotas", hard)
            b.store.create("jobs", indexed(3, 3))
            await b.until(lambda: b.events("FailedCreate"))
            await b.until(lambda: _status(b).get("active") == 2)
            b.end(_active(b)[0], "Succeeded")
            await b.until(lambda: _status(b).get("completedIndexes") == "0")
            assert "exceeded quota: q" in b.events("FailedCreate")[0]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "completions", "indexes"),
    [("", 5, set()), ("3", 5, {3}), ("0,2-4", 5, {0, 2, 3, 4}), ("0,2-4,9", 3, {0, 2})],
)
def test_indexes_are_read(text: str, completions: int, indexes: set[int]) -> None:
    assert read_indexes(text, completions) == indexes


def test_indexes_are_written() -> None:
    assert written_indexes([]) == ""
    assert written_indexes([5, 1, 0, 3, 4, 9, 11, 12]) == "0,1,3-5,9,11,12"


def test_the_missing_indexes_are_the_lowest() -> None:
    assert missing({0, 2}, 3, 10) == [1, 3, 4]
    assert missing({0, 2}, 3, 4) == [1, 3]


def test_of_two_pods_with_one_index_the_one_that_is_further_stays() -> None:
    def pod(name: str, index: str, phase: str) -> Object:
        metadata = {"name": name, "annotations": {INDEX: index}, "creationTimestamp": "2026-01-01T00:00:00Z"}
        return {"metadata": metadata, "spec": {"nodeName": "n"}, "status": {"phase": phase}}

    pods = [
        pod("twin", "0", "Pending"),
        pod("first", "0", "Running"),
        pod("last", "2", "Running"),
        pod("beyond", "3", "Running"),
        pod("none", "x", "Running"),
    ]
    found = misplaced({"spec": {"completions": 3}}, pods)
    assert sorted(entry["metadata"]["name"] for entry in found) == ["beyond", "none", "twin"]


def _ended(second: int) -> Object:
    terminated = {"finishedAt": f"2026-01-01T00:00:{second:02d}Z"}
    return {"metadata": {}, "status": {"containerStatuses": [{"state": {"terminated": terminated}}]}}


def test_a_pause_doubles_with_each_failure_and_a_success_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    start = ended_at(_ended(0))
    once = BackOff().after([], [_ended(0)])
    thrice = once.after([], [_ended(1), _ended(2)])
    assert (once.failures, thrice.failures) == (1, 3)
    monkeypatch.setattr(time, "time", lambda: start + 4)
    assert (once.rest(), thrice.rest()) == (6.0, 38.0)
    assert BackOff(40, start).rest() == 596.0
    assert thrice.after([_ended(3)], []) == BackOff()
    assert thrice.after([_ended(3)], [_ended(2), _ended(4)]) == BackOff(1, start + 4)


def test_the_end_of_a_pod_without_containers_is_that_of_its_readiness_or_its_deletion() -> None:
    metadata = {"creationTimestamp": "2026-01-01T00:00:00Z"}
    assert ended_at({"metadata": metadata, "status": {}}) == ended_at(_ended(0))
    deleted = {"deletionTimestamp": "2026-01-01T00:00:40Z", "deletionGracePeriodSeconds": 30}
    assert ended_at({"metadata": metadata | deleted, "status": {}}) == ended_at(_ended(10))
    unready = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:20Z"}
    assert ended_at({"metadata": metadata, "status": {"conditions": [unready]}}) == ended_at(_ended(20))


def test_ignored_failures_are_counted_apart(bench: Any, no_pause: None) -> None:
    policy = {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [79]}}]}

    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", indexed(1, 1, backoffLimitPerIndex=1, podFailurePolicy=policy))
            seen: list[tuple[str | None, str | None]] = []
            for code in (79, 1, 79, 1):
                await b.until(lambda: 0 in _active(b))
                pod = _active(b)[0]
                annotations = pod["metadata"]["annotations"]
                seen.append((annotations.get(FAILURES), annotations.get(IGNORED_FAILURES)))
                b.end(pod, "Failed", code)
            assert seen == [("0", None), ("0", "1"), ("1", "1"), ("1", "2")]
            await b.until(lambda: _reason(b) == "FailedIndexes")
            assert _status(b)["failed"] == 2

    asyncio.run(scenario())
