"""Jobs: one that succeeds, one that fails, one past its deadline; their deletion in three ways."""

from __future__ import annotations

import pytest

from tests.integration.conformance.lives import (
    Event,
    Facet,
    Place,
    at_home,
    condition,
    differences,
    field,
    life,
    plain,
    recorded_watch,
)
from tests.integration.conformance.replay import exchanges

pytestmark = pytest.mark.long

JOBS = "batch/v1/jobs"
_NAMES = ("good", "bad", "late")
_CREATED = {"good": "job", "bad": "job that fails", "late": "job past its deadline"}


@pytest.fixture(scope="module")
def lives(place: Place) -> dict[str, list[Event]]:
    """What happened to jobs and pods until all three jobs had ended."""
    before = {kind: place.version(kind) for kind in (JOBS, "pods")}
    for what in _CREATED.values():
        assert place.send("jobs", what).status == 201
    for name in _NAMES:
        place.until(f"{name} is over", lambda n=name: _over(place, n))
    return {kind: place.since(kind, before[kind]) for kind in before}


def _over(place: Place, name: str) -> bool:
    conditions = place.get(JOBS, name)["status"].get("conditions", ())
    return any(entry["type"] in ("Complete", "Failed") for entry in conditions)


@pytest.mark.parametrize("name", _NAMES)
def test_the_job_as_created(place: Place, lives: dict[str, list[Event]], name: str) -> None:
    recorded = plain(exchanges("jobs")[_CREATED[name]]["response"]["body"])
    created = next(e["object"] for e in lives[JOBS] if e["object"]["metadata"]["name"] == name)
    assert differences(recorded, at_home(plain(created), place.namespace)) == []


@pytest.mark.parametrize("name", _NAMES)
def test_the_job_in_the_end(place: Place, lives: dict[str, list[Event]], name: str) -> None:
    recorded = plain(exchanges("jobs")[f"job {name} in the end"]["response"]["body"])
    assert differences(recorded, at_home(plain(place.get(JOBS, name)), place.namespace)) == []


def _conditions(event: Event) -> list[tuple[str, str, str]]:
    entries = event["object"]["status"].get("conditions") or ()
    return [(entry["type"], entry["reason"], entry["message"]) for entry in entries]


JOB_FACETS: dict[str, Facet] = {
    "conditions": _conditions,
    "started": lambda event: "startTime" in event["object"]["status"],
    "completed": lambda event: "completionTime" in event["object"]["status"],
    "uncounted": lambda event: {
        kind: len(uids)
        for kind, uids in (event["object"]["status"].get("uncountedTerminatedPods") or {}).items()
    },
    **{name: field("status", name) for name in ("active", "succeeded", "failed", "terminating")},
}


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("facet", JOB_FACETS)
def test_the_life_of_a_job(lives: dict[str, list[Event]], name: str, facet: str) -> None:
    recorded = [e for e in recorded_watch("jobs", "watch of jobs") if e["object"]["metadata"]["name"] == name]
    found = [e for e in lives[JOBS] if e["object"]["metadata"]["name"] == name]
    assert life(found, JOB_FACETS[facet]) == life(recorded, JOB_FACETS[facet])


POD_FACETS: dict[str, Facet] = {
    "type": lambda event: event["type"],
    "phase": field("status", "phase"),
    "finalizers": field("metadata", "finalizers"),
    "deleted": lambda event: "deletionTimestamp" in event["object"]["metadata"],
    "ready": condition("Ready", "status", "reason"),
    "exit": lambda event: [
        (entry["state"].get("terminated") or {}).get("exitCode")
        for entry in event["object"]["status"].get("containerStatuses", ())
    ],
}


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("facet", [name for name in POD_FACETS if name != "finalizers"])
def test_the_lives_of_their_pods(lives: dict[str, list[Event]], name: str, facet: str) -> None:
    recorded = _lives_of(recorded_watch("jobs", "watch of their pods"), name)
    found = _lives_of(lives["pods"], name)
    assert [life(events, POD_FACETS[facet]) for events in found] == [
        life(events, POD_FACETS[facet]) for events in recorded
    ]


@pytest.mark.parametrize("name", _NAMES)
def test_a_pod_is_held_until_it_is_counted(lives: dict[str, list[Event]], name: str) -> None:
    for events in _lives_of(lives["pods"], name):
        assert life(events, POD_FACETS["finalizers"]) == [["batch.kubernetes.io/job-tracking"], None]


def _lives_of(events: list[Event], job: str) -> list[list[Event]]:
    """The events of each of a job's pods, in the order of the pods' creation."""
    pods: dict[str, list[Event]] = {}
    for event in events:
        if event["object"]["metadata"]["labels"]["job-name"] == job:
            pods.setdefault(event["object"]["metadata"]["uid"], []).append(event)
    return list(pods.values())


@pytest.fixture(scope="module")
def refused_and_deleted(place: Place, lives: dict[str, list[Event]]) -> dict[str, tuple[int, object]]:
    """The answers to the recorded change and deletions, and the pods that are left after them."""
    whats = [what for what in exchanges("jobs") if what.startswith(("change of", "delete,"))]
    answers = {}
    for what in whats:
        answer = place.send("jobs", what)
        answers[what] = (answer.status, answer.body)
    place.until("no job", lambda: not place.list(JOBS))
    return answers


@pytest.mark.parametrize(
    "what",
    [
        "delete, foreground",
        "delete, background",
        "delete, by default (orphans are kept by the old API default)",
    ],
)
def test_a_deletion_is_answered_as_recorded(
    place: Place, refused_and_deleted: dict[str, tuple[int, object]], what: str
) -> None:
    recorded = exchanges("jobs")[what]["response"]
    status, body = refused_and_deleted[what]
    assert status == recorded["status"]
    assert differences(plain(recorded["body"]), at_home(plain(body), place.namespace)) == []


def test_a_change_of_the_template_is_refused(refused_and_deleted: dict[str, tuple[int, object]]) -> None:
    recorded = exchanges("jobs")["change of a job's template refused"]["response"]
    status, body = refused_and_deleted["change of a job's template refused"]
    assert isinstance(body, dict)
    assert status == recorded["status"]
    assert body["reason"] == recorded["body"]["reason"]
    causes = [(cause["reason"], cause["field"]) for cause in body["details"]["causes"]]
    assert causes == [(cause["reason"], cause["field"]) for cause in recorded["body"]["details"]["causes"]]
    assert body["message"].startswith('Job.batch "good" is invalid: spec.template: Invalid value: ')
    assert body["message"].endswith(": field is immutable")


def test_no_pod_is_left(place: Place, refused_and_deleted: dict[str, tuple[int, object]]) -> None:
    place.until("no pod", lambda: not place.list("pods", "batch.kubernetes.io/job-name"))
