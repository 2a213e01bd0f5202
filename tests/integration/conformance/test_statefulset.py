"""A StatefulSet of two: claims, pods in order, status, as recorded."""

from __future__ import annotations

import pytest

from tests.integration.conformance.lives import (
    Event,
    Facet,
    Place,
    at_home,
    differences,
    field,
    life,
    plain,
    recorded_watch,
)
from tests.integration.conformance.replay import exchanges
from tests.integration.conformance.test_workload import POD_FACETS

pytestmark = pytest.mark.long

SETS, CLAIMS = "apps/v1/statefulsets", "persistentvolumeclaims"


@pytest.fixture(scope="module")
def lives(place: Place) -> dict[str, list[Event]]:
    """What happened until both pods were Ready."""
    before = {kind: place.version(kind) for kind in (SETS, CLAIMS, "pods")}
    assert place.send("statefulset", "stateful set of two").status == 201
    place.until("two", lambda: place.get(SETS, "db")["status"].get("availableReplicas") == 2)
    return {kind: place.since(kind, before[kind]) for kind in before}


def test_the_set_as_created(place: Place, lives: dict[str, list[Event]]) -> None:
    recorded = plain(exchanges("statefulset")["stateful set of two"]["response"]["body"])
    assert differences(recorded, at_home(plain(lives[SETS][0]["object"]), place.namespace)) == []


def test_the_set_in_the_end(place: Place, lives: dict[str, list[Event]]) -> None:
    recorded = plain(exchanges("statefulset")["in the end"]["response"]["body"])
    assert differences(recorded, at_home(plain(place.get(SETS, "db")), place.namespace)) == []


SET_FACETS: dict[str, Facet] = {
    name: field("status", name)
    for name in ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
}


@pytest.mark.parametrize("facet", SET_FACETS)
def test_the_life_of_the_set(lives: dict[str, list[Event]], facet: str) -> None:
    recorded = recorded_watch("statefulset", "watch of stateful set")
    assert life(lives[SETS], SET_FACETS[facet]) == life(recorded, SET_FACETS[facet])


@pytest.mark.parametrize("name", ["db-0", "db-1"])
@pytest.mark.parametrize("facet", [name for name in POD_FACETS if name != "scheduled"])
def test_the_lives_of_the_pods(lives: dict[str, list[Event]], name: str, facet: str) -> None:
    recorded = [
        e
        for e in recorded_watch("statefulset", "watch of its pods, in order")
        if e["object"]["metadata"]["name"] == name
    ]
    found = [e for e in lives["pods"] if e["object"]["metadata"]["name"] == name]
    assert life(found, POD_FACETS[facet]) == life(recorded, POD_FACETS[facet])


@pytest.mark.parametrize("name", ["db-0", "db-1"])
def test_the_pod_as_created(place: Place, lives: dict[str, list[Event]], name: str) -> None:
    both = (recorded_watch("statefulset", "watch of its pods, in order"), lives["pods"])
    recorded, found = (
        plain(next(e["object"] for e in events if e["object"]["metadata"]["name"] == name)) for events in both
    )
    found["spec"].pop("nodeName", None)
    assert differences(recorded, at_home(found, place.namespace)) == []


def test_the_second_comes_when_the_first_is_ready(lives: dict[str, list[Event]]) -> None:
    order = [(e["type"], e["object"]["metadata"]["name"], POD_FACETS["ready"](e)) for e in lives["pods"]]
    first_ready = next(
        i for i, (_, name, ready) in enumerate(order) if name == "db-0" and ready == ("True", None, None)
    )
    second_added = next(i for i, (kind, name, _) in enumerate(order) if (kind, name) == ("ADDED", "db-1"))
    assert first_ready < second_added


@pytest.mark.parametrize("name", ["data-db-0", "data-db-1"])
def test_the_life_of_a_claim(place: Place, lives: dict[str, list[Event]], name: str) -> None:
    both = (recorded_watch("statefulset", "watch of its claims"), lives[CLAIMS])
    recorded, found = (
        [plain(e["object"]) for e in events if e["object"]["metadata"]["name"] == name] for events in both
    )
    assert differences(recorded, at_home(found, place.namespace)) == []
