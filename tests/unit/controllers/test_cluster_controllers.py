"""Endpoints, claims, namespaces, scheduling on a store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from controller_bench import NAMESPACE, NODE, template

from pgnb_rehearsal.controllers.requests import requests_of, total


def _pod(b: Any, name: str, **spec: Any) -> Any:
    pod = template(**spec)
    pod["metadata"] |= {"name": name, "namespace": NAMESPACE}
    return b.store.create("pods", pod)


def _service(b: Any, **spec: Any) -> None:
    metadata = {"name": "svc", "namespace": NAMESPACE}
    b.store.create(
        "services",
        {"metadata": metadata, "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432}], **spec}},
    )


def _subsets(b: Any) -> Any:
    return (b.store.find("endpoints", NAMESPACE, "svc") or {}).get("subsets", [])


def _ready_addresses(b: Any) -> list[str]:
    return [address["ip"] for subset in _subsets(b) for address in subset.get("addresses", ())]


def test_a_service_leads_to_ready_pods_only(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _service(b)
            pod = _pod(b, "one")
            await b.settled()
            b.run(pod, ready=False)
            await b.until(lambda: _subsets(b) and _subsets(b)[0].get("notReadyAddresses"))
            assert _ready_addresses(b) == []
            b.run(pod)
            await b.until(lambda: len(_ready_addresses(b)) == 1)
            (slice_,) = b.store.list("endpointslices", NAMESPACE)
            assert slice_["endpoints"][0]["conditions"] == {
                "ready": True,
                "serving": True,
                "terminating": False,
            }
            b.store.delete("pods", NAMESPACE, "one")
            await b.until(lambda: not _ready_addresses(b))
            (slice_,) = b.store.list("endpointslices", NAMESPACE)
            assert slice_["endpoints"][0]["conditions"] == {
                "ready": False,
                "serving": True,
                "terminating": True,
            }

    asyncio.run(scenario())


def test_a_changed_selector_moves_the_service(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _service(b)
            for name, label in (("one", "db"), ("two", "other")):
                _pod(b, name)
                b.store.modify(
                    "pods", NAMESPACE, name, lambda p, v=label: p["metadata"].update(labels={"app": v})
                )
                await b.settled()
                b.run(b.store.get("pods", NAMESPACE, name))
            await b.until(lambda: len(_ready_addresses(b)) == 1)
            (before,) = _ready_addresses(b)
            b.store.modify(
                "services", NAMESPACE, "svc", lambda s: s["spec"].update(selector={"app": "other"})
            )
            await b.until(lambda: _ready_addresses(b) not in ([], [before]))

    asyncio.run(scenario())


def test_unready_addresses_are_published_when_asked(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _service(b, publishNotReadyAddresses=True, clusterIP="None")
            pod = _pod(b, "one", hostname="one", subdomain="svc")
            await b.settled()
            b.run(pod, ready=False)
            await b.until(lambda: len(_ready_addresses(b)) == 1)
            assert _subsets(b)[0]["addresses"][0]["hostname"] == "one"

    asyncio.run(scenario())


def test_a_claim_is_bound_to_a_directory_that_goes_with_it(bench: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench() as b:
            spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
            b.store.create(
                "persistentvolumeclaims", {"metadata": {"name": "data", "namespace": NAMESPACE}, "spec": spec}
            )
            claim = await b.until(
                lambda: next(
                    (c for c in b.store.list("persistentvolumeclaims") if c["status"]["phase"] == "Bound"),
                    None,
                )
            )
            directory = tmp_path / claim["spec"]["volumeName"]
            assert directory.is_dir() and directory.stat().st_mode & 0o777 == 0o777
            assert claim["status"]["capacity"] == {"storage": "1Gi"}
            pod = _pod(b, "user", volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])
            await b.settled()
            b.run(pod)
            b.store.delete("persistentvolumeclaims", NAMESPACE, "data")
            await b.settled()
            assert directory.is_dir(), "a pod uses it still"
            b.store.delete("pods", NAMESPACE, "user")
            b.remove(pod)
            await b.until(lambda: not b.store.list("persistentvolumes") and not directory.exists())

    asyncio.run(scenario())


def test_a_pod_waits_for_its_claim(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _pod(b, "one", volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "absent"}}])
            message = '0/1 nodes are available: persistentvolumeclaim "absent" not found. not found'
            await b.until(lambda: b.events("FailedScheduling") == [message])
            (pod,) = b.pods()
            assert "nodeName" not in pod["spec"]
            assert [(c["reason"], c["message"]) for c in pod["status"]["conditions"]] == [
                ("Unschedulable", message)
            ]
            spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
            b.store.create(
                "persistentvolumeclaims",
                {"metadata": {"name": "absent", "namespace": NAMESPACE}, "spec": spec},
            )
            await b.until(lambda: b.pods()[0]["spec"].get("nodeName") == NODE)

    asyncio.run(scenario())


def test_a_pod_that_asks_for_more_than_there_is_is_not_scheduled(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            containers = [{"name": "main", "image": "x", "resources": {"requests": {"memory": "10Ti"}}}]
            _pod(b, "big", containers=containers)
            message = (
                "0/1 nodes are available: 1 Insufficient memory. no new claims to deallocate, preemption: "
                "0/1 nodes are available: 1 Preemption is not helpful for scheduling."
            )
            await b.until(lambda: b.events("FailedScheduling") == [message])

    asyncio.run(scenario())


def test_a_namespace_is_furnished_and_emptied(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            assert b.store.find("serviceaccounts", NAMESPACE, "default")
            assert b.store.get("configmaps", NAMESPACE, "kube-root-ca.crt")["data"] == {"ca.crt": "CA"}
            _service(b)
            b.store.create("configmaps", {"metadata": {"name": "x", "namespace": NAMESPACE}})
            b.store.delete("namespaces", None, NAMESPACE)
            await b.until(lambda: b.store.find("namespaces", None, NAMESPACE) is None)
            assert not any(
                b.store.list(plural, NAMESPACE) for plural in ("configmaps", "services", "endpoints")
            )

    asyncio.run(scenario())


def test_what_a_pod_asks_for() -> None:
    containers = [
        {"resources": {"requests": {"cpu": "250m", "memory": "1Gi"}}},
        {"resources": {"limits": {"cpu": 1}}},
    ]
    init = [{"resources": {"requests": {"cpu": "2"}}}]
    asked = requests_of({"spec": {"containers": containers, "initContainers": init}})
    assert asked == total([{"cpu": "2", "memory": "1Gi", "pods": 1}])


NODE_TAINTED = "0/1 nodes are available: 1 node(s) had untolerated taint(s)"


@pytest.mark.parametrize(
    ("taint", "toleration", "bound"),
    [
        ({"effect": "NoSchedule"}, {}, False),
        ({"effect": "NoSchedule"}, {"operator": "Exists"}, True),
        ({"effect": "NoSchedule"}, {"key": "db", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"effect": "NoSchedule", "value": "a"}, {"key": "db", "value": "b"}, False),
        ({"effect": "NoExecute", "value": "a"}, {"key": "db", "value": "a"}, True),
        ({"effect": "PreferNoSchedule"}, {}, True),
    ],
)
def test_a_taint_keeps_pods_away_that_do_not_tolerate_it(
    bench: Any, taint: dict[str, str], toleration: dict[str, str], bound: bool
) -> None:
    async def scenario() -> None:
        async with bench() as b:
            taints = {"taints": [{"key": "db", **taint}]}
            b.store.modify("nodes", None, NODE, lambda node: node["spec"].update(taints))
            _pod(b, "one", tolerations=[toleration] if toleration else [])

            def placed() -> Any:
                return b.pods()[0]["spec"].get("nodeName") == NODE

            if bound:
                await b.until(placed)
                return
            (said,) = await b.until(lambda: b.events("FailedScheduling"))
            assert said.startswith(NODE_TAINTED)
            b.store.modify("nodes", None, NODE, lambda node: node["spec"].pop("taints"))
            await b.until(placed)

    asyncio.run(scenario())
