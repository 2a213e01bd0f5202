"""A Deployment with a claim coming up, as recorded: the objects when ready, and what came before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conformance.lives import (
    Event,
    Facet,
    Place,
    at_home,
    condition,
    differences,
    exchanges,
    field,
    life,
    plain,
    recorded_watch,
    told,
)

DEPLOYMENTS, SETS = "apps/v1/deployments", "apps/v1/replicasets"


@pytest.fixture(scope="module")
def lives(place: Place) -> dict[str, list[Event]]:
    """What happened to each kind of object while the Deployment came up."""
    kinds = ("pods", DEPLOYMENTS, SETS, "events")
    before = {kind: place.version(kind) for kind in kinds}
    place.make_primary()
    return {kind: place.since(kind, before[kind]) for kind in kinds}


def _recorded(what: str) -> Any:
    return plain(exchanges("workload")[what]["response"]["body"])


def _pod_ready(place: Place) -> dict[str, Any]:
    (pod,) = place.list("pods", "app=postgres-primary")
    pod = {"kind": "Pod", "apiVersion": "v1"} | pod
    return dict(plain(pod))


def test_the_pod_when_ready(place: Place, lives: dict[str, list[Event]]) -> None:
    recorded = _recorded("pod, Ready")
    # A memory limit that the recorder's machine put there two seconds later.
    recorded["status"]["resources"] = {}
    assert differences(recorded, at_home(_pod_ready(place), place.namespace)) == []


@pytest.mark.parametrize(
    ("what", "collection", "name"),
    [
        ("deployment, available", DEPLOYMENTS, "postgres-primary"),
        ("claim, bound", "persistentvolumeclaims", "data"),
        ("endpoints", "endpoints", "postgres-primary"),
        ("scale", DEPLOYMENTS, "postgres-primary/scale"),
    ],
)
def test_objects_when_available(
    place: Place, lives: dict[str, list[Event]], what: str, collection: str, name: str
) -> None:
    recorded, found = _recorded(what), plain(place.get(collection, name))
    assert differences(recorded, at_home(found, place.namespace)) == []


def test_the_endpoint_slice(place: Place, lives: dict[str, list[Event]]) -> None:
    (recorded,) = _recorded("endpoint slices")["items"]
    (found,) = plain(
        place.list("discovery.k8s.io/v1/endpointslices", "kubernetes.io/service-name=postgres-primary")
    )
    for entry in (recorded, found):
        del entry["metadata"]["generation"]  # how often it changed on the way depends on timing
    assert differences(recorded, at_home(found, place.namespace)) == []


POD_FACETS: dict[str, Facet] = {
    "type": lambda event: event["type"],
    "phase": field("status", "phase"),
    "bound": lambda event: "nodeName" in event["object"]["spec"],
    "ready": condition("Ready", "status", "reason", "message"),
    "containers ready": condition("ContainersReady", "status", "reason"),
    "scheduled": condition("PodScheduled", "status"),
    "initialized": condition("Initialized", "status"),
    "sandbox": condition("PodReadyToStartContainers", "status"),
    "state": lambda event: [
        (list(entry["state"]), entry["started"], entry["ready"], entry["restartCount"])
        for entry in event["object"]["status"].get("containerStatuses", ())
    ],
    "address": lambda event: "podIP" in event["object"]["status"],
}


@pytest.mark.parametrize("facet", POD_FACETS)
def test_the_life_of_the_pod(lives: dict[str, list[Event]], facet: str) -> None:
    recorded = recorded_watch("workload", "watch of pods while a Deployment comes up")
    assert life(lives["pods"], POD_FACETS[facet]) == life(recorded, POD_FACETS[facet])


DEPLOYMENT_FACETS: dict[str, Facet] = {
    "type": lambda event: event["type"],
    "revision": field("metadata", "annotations", "deployment.kubernetes.io/revision"),
    "available": condition("Available", "status", "reason", "message"),
    "progressing": condition("Progressing", "status", "reason", "message"),
    **{
        name: field("status", name)
        for name in (
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
        )
    },
    "unavailable": field("status", "unavailableReplicas"),
    "terminating": field("status", "terminatingReplicas"),
}


@pytest.mark.parametrize("facet", DEPLOYMENT_FACETS)
def test_the_life_of_the_deployment(lives: dict[str, list[Event]], facet: str) -> None:
    recorded = recorded_watch("workload", "watch of deployments while a Deployment comes up")
    assert life(lives[DEPLOYMENTS], DEPLOYMENT_FACETS[facet]) == life(recorded, DEPLOYMENT_FACETS[facet])


SET_FACETS: dict[str, Facet] = {
    "type": lambda event: event["type"],
    "annotations": field("metadata", "annotations"),
    **{
        name: field("status", name)
        for name in (
            "replicas",
            "fullyLabeledReplicas",
            "readyReplicas",
            "availableReplicas",
            "terminatingReplicas",
        )
    },
    "observed": field("status", "observedGeneration"),
}


@pytest.mark.parametrize("facet", SET_FACETS)
def test_the_life_of_the_replica_set(lives: dict[str, list[Event]], facet: str) -> None:
    recorded = recorded_watch("workload", "watch of replicasets while a Deployment comes up")
    assert life(lives[SETS], SET_FACETS[facet]) == life(recorded, SET_FACETS[facet])


def test_the_replica_set_when_new(place: Place, lives: dict[str, list[Event]]) -> None:
    recorded = recorded_watch("workload", "watch of replicasets while a Deployment comes up")
    found = at_home(plain(lives[SETS][0]["object"]), place.namespace)
    assert differences(plain(recorded[0]["object"]), found) == []


def test_the_events_in_their_order(place: Place, lives: dict[str, list[Event]]) -> None:
    """Every recorded event, told in the same words; whether a probe fails early depends on timing."""
    recorded = recorded_watch("workload", "watch of events while a Deployment comes up")
    expected = told(recorded, place.namespace, without=("Unhealthy",))
    found = told(lives["events"], place.namespace, without=("Unhealthy",))
    assert sorted(e["reason"] for e in found) == sorted(e["reason"] for e in expected)
    of_pod = [
        [e["reason"] for e in entries if e["involvedObject"]["kind"] == "Pod"]
        for entries in (found, expected)
    ]
    assert of_pod[0] == of_pod[1]
    by_reason = {entry["reason"]: entry for entry in found}
    assert [line for e in expected for line in differences(e, by_reason[e["reason"]], e["reason"])] == []
