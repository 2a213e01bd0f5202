"""Scale, a deleted pod, a rollout: what watches show, as recorded."""

from __future__ import annotations

import pytest

from tests.integration.conformance.lives import Event, Place, field, life, plain, recorded_watch
from tests.integration.conformance.replay import exchanges
from tests.integration.conformance.test_workload import (
    DEPLOYMENT_FACETS,
    DEPLOYMENTS,
    POD_FACETS,
    SET_FACETS,
    SETS,
)

pytestmark = pytest.mark.long

Lives = dict[str, dict[str, list[Event]]]
_KINDS = ("pods", DEPLOYMENTS, SETS)


@pytest.fixture(scope="module")
def lives(place: Place) -> Lives:
    """What happened in each change, one after the other on the same Deployment."""
    place.make_primary()
    return {
        "scale to 0": _change(place, "scale to 0", 0),
        "scale to 1": _change(place, "scale to 1", 1),
        "delete the pod": _deletion(place),
        "rollout restart": _change(place, "rollout restart, as kubectl does", 1),
    }


def _change(place: Place, what: str, count: int) -> dict[str, list[Event]]:
    before = {kind: place.version(kind) for kind in _KINDS}
    answer = place.send("changes", what)
    assert answer.status == 200, answer.body
    place.await_available(count)
    return {kind: place.since(kind, before[kind]) for kind in _KINDS}


def _deletion(place: Place) -> dict[str, list[Event]]:
    before = {kind: place.version(kind) for kind in _KINDS}
    (pod,) = place.list("pods")
    answer = place.api.call("DELETE", place.path("pods", pod["metadata"]["name"]))
    assert answer.status == 200, answer.body
    place.until(
        "gone", lambda: pod["metadata"]["uid"] not in [p["metadata"]["uid"] for p in place.list("pods")]
    )
    place.await_available(1)
    return {kind: place.since(kind, before[kind]) for kind in _KINDS}


@pytest.mark.parametrize("what", ["scale to 0", "scale to 1"])
@pytest.mark.parametrize("facet", DEPLOYMENT_FACETS)
def test_the_deployment_is_scaled(lives: Lives, what: str, facet: str) -> None:
    recorded = recorded_watch("changes", f"watch of deployments: {what}")
    offset = _offset(lives[what][DEPLOYMENTS], recorded, facet)
    found = life(lives[what][DEPLOYMENTS], DEPLOYMENT_FACETS[facet])
    assert [value + offset if isinstance(value, int) and offset else value for value in found] == life(
        recorded, DEPLOYMENT_FACETS[facet]
    )


def _offset(found: list[Event], recorded: list[Event], facet: str) -> int:
    """Generations count what happened before, which need not be the same."""
    if facet != "observedGeneration":
        return 0
    return int(
        recorded[-1]["object"]["metadata"]["generation"] - found[-1]["object"]["metadata"]["generation"]
    )


_ENDING = {
    name: POD_FACETS[name] for name in ("phase", "ready", "containers ready", "sandbox", "initialized")
}
_ENDING |= {
    "type": POD_FACETS["type"],
    "grace": field("metadata", "deletionGracePeriodSeconds"),
    # How often it had been restarted before is another story.
    "state": lambda event: [entry[:3] for entry in POD_FACETS["state"](event)],
}


@pytest.mark.parametrize("facet", _ENDING)
def test_a_pod_ends_as_recorded_when_scaled_down(lives: Lives, facet: str) -> None:
    recorded = recorded_watch("changes", "watch of pods: scale to 0")
    assert life(lives["scale to 0"]["pods"], _ENDING[facet]) == life(recorded, _ENDING[facet])


@pytest.mark.parametrize("facet", POD_FACETS)
def test_a_pod_begins_as_recorded_when_scaled_up(lives: Lives, facet: str) -> None:
    recorded = recorded_watch("changes", "watch of pods: scale to 1")
    assert life(lives["scale to 1"]["pods"], POD_FACETS[facet]) == life(recorded, POD_FACETS[facet])


def _split(events: list[Event]) -> tuple[list[Event], list[Event], list[str]]:
    """The old pod's events, the new one's, and which of them did what in which order."""
    first = events[0]["object"]["metadata"]["uid"]
    old = [event for event in events if event["object"]["metadata"]["uid"] == first]
    new = [event for event in events if event["object"]["metadata"]["uid"] != first]
    steps = []
    for event in events:
        who = "old" if event in old else "new"
        step = f"{who} {event['type']}"
        if event["type"] != "MODIFIED" and step not in steps:
            steps.append(step)
        ended = event["object"]["status"].get("phase") == "Succeeded"
        if ended and "old ended" not in steps:
            steps.append("old ended")
    return old, new, steps


_REPLACED = {
    "delete the pod": "watch of pods: delete the pod: Recreate waits for the old one to end",
    "rollout restart": "watch of pods: rollout restart (Recreate)",
}


@pytest.mark.parametrize("what", _REPLACED)
def test_the_lives_of_the_old_and_of_the_new_pod(lives: Lives, what: str) -> None:
    recorded_old, recorded_new, _ = _split(recorded_watch("changes", _REPLACED[what]))
    old, new, _ = _split(lives[what]["pods"])
    for name, facet in _ENDING.items():
        assert life(old, facet) == life(recorded_old, facet), name
    for name, facet in POD_FACETS.items():
        assert life(new, facet) == life(recorded_new, facet), name


def test_a_deleted_pod_is_replaced_before_it_has_ended(lives: Lives) -> None:
    _, _, steps = _split(lives["delete the pod"]["pods"])
    _, _, recorded = _split(recorded_watch("changes", _REPLACED["delete the pod"]))
    assert sorted(steps) == sorted(recorded)
    assert steps.index("new ADDED") < steps.index("old ended")


def test_a_rollout_with_recreate_waits_for_the_end_of_the_old_pod(lives: Lives) -> None:
    _, _, steps = _split(lives["rollout restart"]["pods"])
    _, _, recorded = _split(recorded_watch("changes", _REPLACED["rollout restart"]))
    assert sorted(steps) == sorted(recorded), (
        "whether the old pod's object outlives its end is a matter of timing"
    )
    assert steps.index("old ended") < steps.index("new ADDED")


@pytest.mark.parametrize(
    "facet", ["revision", "available", "progressing", "updatedReplicas", "readyReplicas"]
)
def test_the_deployment_in_a_rollout(lives: Lives, facet: str) -> None:
    recorded = recorded_watch("changes", "watch of deployments: rollout restart (Recreate)")
    found = life(lives["rollout restart"][DEPLOYMENTS], DEPLOYMENT_FACETS[facet])
    assert found == life(recorded, DEPLOYMENT_FACETS[facet])


@pytest.mark.parametrize("facet", [name for name in SET_FACETS if name != "observed"])
def test_the_replica_sets_in_a_rollout(lives: Lives, facet: str) -> None:
    recorded = recorded_watch("changes", "watch of replicasets: rollout restart (Recreate)")
    found = lives["rollout restart"][SETS]
    for pick in (0, -1):  # the old set is the first that is seen, the new one the last
        name = [events[pick]["object"]["metadata"]["name"] for events in (recorded, found)]
        own = [
            [event for event in events if event["object"]["metadata"]["name"] == name[i]]
            for i, events in enumerate((recorded, found))
        ]
        assert life(own[1], SET_FACETS[facet]) == life(own[0], SET_FACETS[facet])


def test_the_rollout_adds_the_annotation_to_the_template_only(place: Place, lives: Lives) -> None:
    deployment = place.get(DEPLOYMENTS, "postgres-primary")
    body = exchanges("changes")["rollout restart, as kubectl does"]["request"]["body"]
    wished = body["spec"]["template"]["metadata"]["annotations"]
    assert deployment["spec"]["template"]["metadata"]["annotations"] == wished
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"


def test_a_change_of_the_selector_is_refused(place: Place, lives: Lives) -> None:
    entry = exchanges("changes")["change of the selector refused"]
    answer = place.replay.send(entry)
    assert answer.status == entry["response"]["status"]
    assert plain(answer.body) == plain(entry["response"]["body"])
