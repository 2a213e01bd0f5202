"""StatefulSets on a store: order, identity, claims, updates."""

from __future__ import annotations

import asyncio
from typing import Any

from controller_bench import NAMESPACE, template, workload

_CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def _create(b: Any, replicas: int = 2, **spec: Any) -> None:
    set_ = workload("StatefulSet", replicas=replicas, serviceName="headless", **spec)
    set_["spec"]["volumeClaimTemplates"] = [_CLAIM]
    b.store.create("statefulsets", set_)


def _names(b: Any) -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in b.pods())


async def _all_ready(b: Any, replicas: int) -> None:
    for number in range(replicas):
        await b.until(lambda n=number: f"db-{n}" in _names(b))
        b.run(b.store.get("pods", NAMESPACE, f"db-{number}"))
    await b.until(lambda: _status(b).get("readyReplicas") == replicas)
    await b.settled()


def _status(b: Any) -> Any:
    return b.store.get("statefulsets", NAMESPACE, "db").get("status", {})


def test_pods_come_in_order_each_with_its_claim_and_name(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _create(b)
            await b.settled()
            assert _names(b) == ["db-0"], "the second waits for the first to be Ready"
            await _all_ready(b, 2)
            pod = b.store.get("pods", NAMESPACE, "db-1")
            assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("db-1", "headless")
            assert pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "1"
            claims = b.store.list("persistentvolumeclaims", NAMESPACE)
            assert [c["metadata"]["name"] for c in claims] == ["data-db-0", "data-db-1"]
            status = _status(b)
            assert status["currentRevision"] == status["updateRevision"]
            assert (status["replicas"], status["currentReplicas"], status["availableReplicas"]) == (2, 2, 2)

    asyncio.run(scenario())


def test_the_highest_pod_goes_first_and_its_claim_stays(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _create(b)
            await _all_ready(b, 2)
            b.store.modify("statefulsets", NAMESPACE, "db", lambda s: s["spec"].update(replicas=0))
            await b.until(lambda: [p["metadata"]["name"] for p in b.live_pods()] == ["db-0"])
            await b.settled()
            assert len(b.live_pods()) == 1, "db-0 waits until db-1 has ended"
            b.remove(b.store.get("pods", NAMESPACE, "db-1"))
            await b.until(lambda: not b.live_pods())
            assert len(b.store.list("persistentvolumeclaims", NAMESPACE)) == 2

    asyncio.run(scenario())


def test_a_rolling_update_replaces_the_highest_first(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _create(b)
            await _all_ready(b, 2)
            b.store.modify(
                "statefulsets", NAMESPACE, "db", lambda s: s["spec"].update(template=template("x:2"))
            )
            await b.until(lambda: [p["metadata"]["name"] for p in b.live_pods()] == ["db-0"])
            b.remove(b.store.get("pods", NAMESPACE, "db-1"))
            new = await b.until(lambda: b.store.find("pods", NAMESPACE, "db-1"))
            assert new["spec"]["containers"][0]["image"] == "x:2"
            assert _status(b)["currentRevision"] != _status(b)["updateRevision"]
            b.run(new)
            await b.until(lambda: [p["metadata"]["name"] for p in b.live_pods()] == ["db-1"])

    asyncio.run(scenario())


def test_with_on_delete_nothing_happens_until_somebody_deletes(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _create(b, replicas=1, updateStrategy={"type": "OnDelete"})
            await _all_ready(b, 1)
            b.store.modify(
                "statefulsets", NAMESPACE, "db", lambda s: s["spec"].update(template=template("x:2"))
            )
            await b.settled()
            assert len(b.live_pods()) == 1
            b.store.delete("pods", NAMESPACE, "db-0")
            b.remove(b.pods()[0])
            (new,) = await b.until(b.live_pods)
            assert new["spec"]["containers"][0]["image"] == "x:2"

    asyncio.run(scenario())
