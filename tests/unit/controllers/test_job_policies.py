"""What a failed pod means for its Job: failure policies, replacement, restarts in place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from controller_bench import NAMESPACE, indexed, job

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.controllers import job_backoff
from pgnb_rehearsal.controllers.job_failures import outcome
from pgnb_rehearsal.controllers.job_view import TRACKING
from pgnb_rehearsal.controllers.pods import is_active


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed pod is replaced at once."""
    monkeypatch.setattr(job_backoff, "FIRST_PAUSE", 0.0)


def _status(b: Any) -> Any:
    return b.store.get("jobs", NAMESPACE, "job").get("status", {})


def _conditions(b: Any) -> list[tuple[str, str]]:
    return [(c["type"], c["reason"]) for c in _status(b).get("conditions", ())]


def _active(b: Any) -> list[Object]:
    return [pod for pod in b.pods() if is_active(pod)]


async def _pod(b: Any) -> Object:
    """The one active pod, once there is one."""
    (pod,) = await b.until(lambda: _active(b))
    return dict(pod)


def _on_codes(action: str, *values: int, operator: str = "In", container: str = "main") -> Object:
    codes = {"containerName": container, "operator": operator, "values": list(values)}
    return {"action": action, "onExitCodes": codes}


def _on_condition(action: str, kind: str) -> Object:
    return {"action": action, "onPodConditions": [{"type": kind}]}


def test_a_code_that_fails_the_job_fails_it_at_once(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", job(podFailurePolicy={"rules": [_on_codes("FailJob", 42)]}))
            pod = await _pod(b)
            b.end(pod, "Failed", 42)
            await b.until(lambda: ("Failed", "PodFailurePolicy") in _conditions(b))
            name = pod["metadata"]["name"]
            failed = f"Container main for pod {NAMESPACE}/{name} failed with exit code 42"
            assert b.events("PodFailurePolicy") == [f"{failed} matching FailJob rule at index 0"]
            assert _conditions(b)[0] == ("FailureTarget", "PodFailurePolicy")
            assert _status(b)["failed"] == 1

    asyncio.run(scenario())


def test_an_ignored_failure_does_not_count_and_a_counted_one_does(bench: Any) -> None:
    rules = [_on_codes("Ignore", 79), _on_condition("Ignore", "DisruptionTarget"), _on_codes("Count", 1)]

    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", job(backoffLimit=0, podFailurePolicy={"rules": rules}))
            b.end(await _pod(b), "Failed", 79)
            pod = await _pod(b)
            assert "failed" not in _status(b)
            b.end(pod, "Failed", 137)
            await b.until(lambda: ("Failed", "BackoffLimitExceeded") in _conditions(b))
            assert _status(b)["failed"] == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("because", ["", "DisruptionTarget"])
def test_a_disruption_is_no_fault_of_the_pod(bench: Any, because: str) -> None:
    rules = [_on_condition("Ignore", "DisruptionTarget"), _on_codes("FailJob", 0, operator="NotIn")]

    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", job(backoffLimit=0, podFailurePolicy={"rules": rules}))
            pod = await _pod(b)
            b.end(pod, "Failed", 137, because=because)
            if because:
                successor = await _pod(b)
                assert successor["metadata"]["name"] != pod["metadata"]["name"]
                assert "failed" not in _status(b)
            else:
                await b.until(lambda: ("Failed", "PodFailurePolicy") in _conditions(b))

    asyncio.run(scenario())


def test_a_code_can_end_one_index_whatever_its_limit(bench: Any) -> None:
    policy = {"rules": [_on_codes("FailIndex", 75, operator="NotIn")]}

    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", indexed(2, 1, backoffLimitPerIndex=9, podFailurePolicy=policy))
            b.end(await _pod(b), "Failed", 75)
            pod = await _pod(b)
            assert pod["metadata"]["name"].startswith("job-0-"), "75 is tried again"
            b.end(pod, "Failed", 1)
            await b.until(lambda: _status(b).get("failedIndexes") == "0")
            pod = await _pod(b)
            assert pod["metadata"]["name"].startswith("job-1-")
            b.end(pod, "Succeeded")
            await b.until(lambda: ("Failed", "FailedIndexes") in _conditions(b))
            assert (_status(b)["succeeded"], _status(b)["failed"]) == (1, 2)

    asyncio.run(scenario())


def _failed_pod(*codes: int, init: int | None = None, conditions: tuple[str, ...] = ()) -> Object:
    def status(name: str, code: int) -> Object:
        return {"name": name, "state": {"terminated": {"exitCode": code}}}

    return {
        "metadata": {"namespace": NAMESPACE, "name": "p"},
        "status": {
            "phase": "Failed",
            "conditions": [{"type": kind, "status": "True"} for kind in conditions],
            "containerStatuses": [status(f"c{place}", code) for place, code in enumerate(codes)],
            "initContainerStatuses": [] if init is None else [status("first", init)],
        },
    }


@pytest.mark.parametrize(
    ("pod", "action"),
    [
        (_failed_pod(0, 3), "Ignore"),
        (_failed_pod(0, 4), "FailJob"),
        (_failed_pod(3, 0), "FailJob"),
        (_failed_pod(0, init=4), "FailJob"),
        (_failed_pod(0, conditions=("DisruptionTarget",)), "Count"),
        (_failed_pod(9, conditions=("DisruptionTarget",)), "FailJob"),
        (_failed_pod(0), ""),
    ],
)
def test_the_first_rule_that_fits_decides(pod: Object, action: str) -> None:
    """Exit status 0 fits no rule; a rule may name one container."""
    other = {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [5]}}
    disrupted = {"action": "Count", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    rules = [_on_codes("Ignore", 3, container="c1"), other, disrupted]
    found = outcome({"spec": {"podFailurePolicy": {"rules": rules}}}, pod)
    assert found.action == action
    assert found.counts is (action != "Ignore")


def test_a_pod_on_its_way_out_is_replaced_at_once_or_once_it_has_ended(bench: Any) -> None:
    async def scenario(policy: str) -> None:
        async with bench() as b:
            b.store.create("jobs", job(backoffLimit=3, podReplacementPolicy=policy))
            pod = await _pod(b)
            b.run(pod)
            await b.until(lambda: _status(b).get("ready") == 1)
            await b.settled()
            b.store.delete("pods", NAMESPACE, pod["metadata"]["name"])
            await b.settled()
            early = policy == "TerminatingOrFailed"
            assert len(_active(b)) == early
            assert (_status(b).get("failed", 0), _status(b)["terminating"]) == (early, 1)
            b.end(pod, "Failed", 137)
            successor = await _pod(b)
            assert successor["metadata"]["name"] != pod["metadata"]["name"]
            await b.until(lambda: (_status(b).get("failed"), _status(b)["terminating"]) == (1, 0))

    for policy in ("Failed", "TerminatingOrFailed"):
        asyncio.run(scenario(policy))


def test_restarts_in_place_reach_the_limit(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            made = job(backoffLimit=2)
            made["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
            b.store.create("jobs", made)
            pod = await _pod(b)
            b.run(pod)
            b.restarted(pod, 1)
            await b.settled()
            assert _conditions(b) == []
            b.restarted(pod, 2)
            await b.until(lambda: ("FailureTarget", "BackoffLimitExceeded") in _conditions(b))

    asyncio.run(scenario())


def test_a_job_that_somebody_else_manages_is_left_alone(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("jobs", job(managedBy="example.com/other"))
            await b.settled()
            assert b.pods() == [] and _status(b) == {}

    asyncio.run(scenario())


def test_an_unscheduled_pod_that_is_deleted_is_replaced(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            made = job(podReplacementPolicy="Failed")
            made["spec"]["template"]["spec"]["nodeSelector"] = {"nowhere": "at all"}
            b.store.create("jobs", made)
            pod = await _pod(b)
            await b.settled()
            assert TRACKING in pod["metadata"]["finalizers"]
            b.store.delete("pods", NAMESPACE, pod["metadata"]["name"])
            await b.until(lambda: b.store.find("pods", NAMESPACE, pod["metadata"]["name"]) is None)
            await _pod(b)

    asyncio.run(scenario())
