"""Deployments and their ReplicaSets on a store: rollouts, scaling, revisions, status."""

from __future__ import annotations

import asyncio
from typing import Any

from controller_bench import NAMESPACE, template, workload


def _deployment(b: Any) -> Any:
    return b.store.get("deployments", NAMESPACE, "db")


def _replica_sets(b: Any) -> dict[int, int]:
    """revision → wished pods."""
    sets = b.store.list("replicasets", NAMESPACE)
    return {
        int(s["metadata"]["annotations"]["deployment.kubernetes.io/revision"]): s["spec"]["replicas"]
        for s in sets
    }


async def _deploy(b: Any, strategy: dict[str, Any], replicas: int = 1, **spec: Any) -> None:
    b.store.create("deployments", workload("Deployment", strategy=strategy, replicas=replicas, **spec))
    await b.until(lambda: len(b.pods()) == replicas)
    for pod in b.pods():
        b.run(pod)
    await b.until(lambda: _deployment(b)["status"].get("availableReplicas") == replicas)
    await b.settled()


def _change_image(b: Any, image: str) -> None:
    b.store.modify("deployments", NAMESPACE, "db", lambda d: d["spec"].update(template=template(image)))


def test_a_recreate_rollout_waits_for_the_end_of_the_old_pod(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await _deploy(b, {"type": "Recreate"})
            (old,) = b.pods()
            _change_image(b, "postgres:18")
            await b.until(lambda: "deletionTimestamp" in b.pods()[0]["metadata"])
            await b.settled()
            assert [pod["metadata"]["name"] for pod in b.pods()] == [old["metadata"]["name"]]
            b.remove(old)
            (new,) = await b.until(b.pods)
            assert new["spec"]["containers"][0]["image"] == "postgres:18"
            b.run(new)
            await b.until(lambda: _deployment(b)["status"].get("availableReplicas") == 1)
            await b.settled()
            assert _replica_sets(b) == {1: 0, 2: 1}
            assert _deployment(b)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"

    asyncio.run(scenario())


def test_a_recreate_rollout_goes_on_when_the_old_pod_has_ended_but_is_still_there(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await _deploy(b, {"type": "Recreate"})
            (old,) = b.pods()
            _change_image(b, "postgres:18")
            await b.until(lambda: "deletionTimestamp" in b.pods()[0]["metadata"])
            b.end(old, "Succeeded")
            await b.until(lambda: len(b.pods()) == 2)

    asyncio.run(scenario())


def test_a_deleted_pod_is_replaced_at_once_even_with_recreate(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await _deploy(b, {"type": "Recreate"})
            (old,) = b.pods()
            b.store.delete("pods", NAMESPACE, old["metadata"]["name"])
            await b.until(lambda: len(b.pods()) == 2)
            assert "deletionTimestamp" in b.store.get("pods", NAMESPACE, old["metadata"]["name"])["metadata"]

    asyncio.run(scenario())


def test_a_rolling_update_keeps_within_surge_and_unavailable(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            rolling = {"maxSurge": 1, "maxUnavailable": 0}
            await _deploy(b, {"type": "RollingUpdate", "rollingUpdate": rolling}, replicas=3)
            _change_image(b, "postgres:18")
            for _ in range(3):
                await b.until(lambda: len(b.live_pods()) == 4)
                await b.settled()
                assert len(b.live_pods()) == 4, "never more than replicas + maxSurge"
                starting = [pod for pod in b.live_pods() if pod["status"].get("phase") != "Running"]
                assert len(starting) == 1, "one at a time"
                b.run(starting[0])
                going = await b.until(lambda: [p for p in b.pods() if "deletionTimestamp" in p["metadata"]])
                assert len(b.live_pods()) >= 3, "never fewer than replicas - maxUnavailable"
                b.remove(going[0])
            await b.settled()
            assert _replica_sets(b) == {1: 0, 2: 3}
            status = _deployment(b)["status"]
            assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (3, 3, 3)

    asyncio.run(scenario())


def test_going_back_to_an_older_template_uses_its_replica_set_again(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await _deploy(b, {"type": "RollingUpdate"}, replicas=1)
            _change_image(b, "postgres:18")
            await b.until(lambda: 2 in _replica_sets(b))
            _change_image(b, "postgres:17")
            await b.until(lambda: _replica_sets(b).get(3) == 1)
            assert sorted(_replica_sets(b)) == [2, 3]

    asyncio.run(scenario())


def test_scaling_makes_no_new_replica_set(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await _deploy(b, {"type": "Recreate"})
            b.store.modify("deployments", NAMESPACE, "db", lambda d: d["spec"].update(replicas=0))
            await b.until(lambda: not b.live_pods())
            b.remove(b.pods()[0])
            await b.settled()
            status = _deployment(b)["status"]
            assert "replicas" not in status and status["terminatingReplicas"] == 0
            b.store.modify("deployments", NAMESPACE, "db", lambda d: d["spec"].update(replicas=2))
            await b.until(lambda: len(b.live_pods()) == 2)
            assert _replica_sets(b) == {1: 2}
            assert b.events("ScalingReplicaSet")[-1].endswith("from 0 to 2")

    asyncio.run(scenario())


def test_a_paused_deployment_does_not_roll_out(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await _deploy(b, {"type": "RollingUpdate"})
            b.store.modify(
                "deployments",
                NAMESPACE,
                "db",
                lambda d: d["spec"].update(paused=True, template=template("x:1")),
            )
            await b.settled()
            assert sorted(_replica_sets(b)) == [1]
            reasons = {c["type"]: c["reason"] for c in _deployment(b)["status"]["conditions"]}
            assert reasons["Progressing"] == "DeploymentPaused"
            b.store.modify("deployments", NAMESPACE, "db", lambda d: d["spec"].update(paused=False))
            await b.until(lambda: 2 in _replica_sets(b))

    asyncio.run(scenario())


def test_a_rollout_that_stands_still_exceeds_its_deadline(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            b.store.create("deployments", workload("Deployment", replicas=1, progressDeadlineSeconds=1))

            def reason() -> bool:
                conditions = _deployment(b).get("status", {}).get("conditions", ())
                return ("Progressing", "ProgressDeadlineExceeded") in {
                    (c["type"], c["reason"]) for c in conditions
                }

            await b.until(reason, timeout=60)

    asyncio.run(scenario())


def test_revision_history_is_limited(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await _deploy(b, {"type": "RollingUpdate"}, revisionHistoryLimit=1)
            for number in (2, 3, 4):
                _change_image(b, f"postgres:{number}")
                new = await b.until(
                    lambda n=number: [
                        p for p in b.live_pods() if p["spec"]["containers"][0]["image"].endswith(str(n))
                    ]
                )
                b.run(new[0])
                await b.until(lambda: [p for p in b.pods() if "deletionTimestamp" in p["metadata"]])
                for pod in b.pods():
                    if "deletionTimestamp" in pod["metadata"]:
                        b.remove(pod)
                await b.settled()
            assert sorted(_replica_sets(b)) == [3, 4]

    asyncio.run(scenario())


def test_deleting_a_deployment_takes_its_sets_and_pods_along(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            await _deploy(b, {"type": "Recreate"})
            b.store.delete("deployments", NAMESPACE, "db", propagation="Background")
            await b.until(lambda: not b.live_pods() and not b.store.list("replicasets", NAMESPACE))

    asyncio.run(scenario())
