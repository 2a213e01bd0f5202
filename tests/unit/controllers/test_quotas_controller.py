"""Quotas beside the controllers: what is used, and what a workload says that cannot have its pods."""

from __future__ import annotations

import asyncio
from typing import Any

from controller_bench import NAMESPACE, template, workload


def _quota(b: Any, **hard: str) -> None:
    metadata = {"name": "small", "namespace": NAMESPACE}
    b.store.create("resourcequotas", {"metadata": metadata, "spec": {"hard": hard}})


def _status(b: Any) -> Any:
    return b.store.get("resourcequotas", NAMESPACE, "small").get("status")


def test_what_is_used_follows_the_pods(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _quota(b, pods="2000m")
            await b.until(lambda: _status(b) == {"hard": {"pods": "2"}, "used": {"pods": "0"}})
            for name in ("one", "two"):
                metadata = {"name": name, "namespace": NAMESPACE}
                b.store.create("pods", {**template(), "metadata": metadata})
            await b.until(lambda: _status(b)["used"] == {"pods": "2"})
            b.end(b.pods()[0], "Succeeded")
            await b.until(lambda: _status(b)["used"] == {"pods": "1"})
            b.remove(b.pods()[1])
            await b.until(lambda: _status(b)["used"] == {"pods": "0"})

    asyncio.run(scenario())


def test_a_deployment_without_room_says_so_and_goes_on_when_there_is(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _quota(b, pods="0")
            b.store.create("deployments", workload("Deployment", replicas=1))
            (said,) = await b.until(lambda: b.events("FailedCreate")[:1])
            assert "exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0" in said
            failed = await b.until(lambda: _failure(b))
            assert failed["message"] in said
            b.store.modify(
                "resourcequotas", NAMESPACE, "small", lambda quota: quota["spec"]["hard"].update(pods="1")
            )
            await b.until(b.pods)

    asyncio.run(scenario())


def _failure(b: Any) -> Any:
    conditions = b.store.get("deployments", NAMESPACE, "db")["status"].get("conditions") or []
    return next((found for found in conditions if found["type"] == "ReplicaFailure"), None)


def test_a_stateful_set_without_room_for_its_claim_says_so(bench: Any) -> None:
    async def scenario() -> None:
        async with bench() as b:
            _quota(b, **{"requests.storage": "1Gi"})
            claim = {
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}},
            }
            b.store.create("statefulsets", workload("StatefulSet", volumeClaimTemplates=[claim]))
            (said,) = await b.until(lambda: b.events("FailedCreate")[:1])
            assert "exceeded quota: small, requested: requests.storage=2Gi" in said

    asyncio.run(scenario())
