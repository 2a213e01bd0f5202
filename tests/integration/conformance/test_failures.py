"""Pods that can't start, can't stay, are not ready or are done: each reaches what was recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conformance.replay import recording, steady
from tests.integration.conformance.stage import Stage, staged

pytestmark = pytest.mark.long

_RECORDED = recording("failures")
_PODS = {entry["object"]["metadata"]["name"]: entry for entry in _RECORDED if "object" in entry}
_REQUESTS = [entry for entry in _RECORDED if entry.get("request", {}).get("method") == "GET"]
_DEADLINE = 45.0
_NOT_COMPARED = ("resources", "hostIP", "hostIPs", "podIPs")


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """All pods at once, as in the recording."""
    for stage in staged(request):
        for name, entry in _PODS.items():
            stage.create_pod(name, _wished(stage.translated(entry["object"]["spec"])))
        yield stage


def _wished(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec as its author wrote it: without what the server added about its own node and accounts."""
    kept = {key: value for key, value in spec.items() if key in _AUTHORED}
    for kind in ("containers", "initContainers"):
        for container in kept.get(kind, ()):
            mounts = [m for m in container.get("volumeMounts", ()) if not m["name"].startswith("kube-api")]
            container["volumeMounts"] = mounts
    kept["volumes"] = [v for v in spec.get("volumes", ()) if not v["name"].startswith("kube-api")]
    return kept


_AUTHORED = (
    "containers",
    "initContainers",
    "restartPolicy",
    "terminationGracePeriodSeconds",
    "securityContext",
)


def _comparable(status: dict[str, Any]) -> Any:
    """A status without identifiers; container states as they are."""
    text = json.dumps({key: value for key, value in status.items() if key not in _NOT_COMPARED})
    text = re.sub(r'"\w+://[0-9a-f]{64}"', '"<container>"', text)
    text = re.sub(r'"sha256:[0-9a-f]{64}"', '"<image>"', text)
    text = re.sub(r"kube-api-access-\w{5}", "kube-api-access", text)
    return steady(json.loads(text))


@pytest.mark.parametrize("name", _PODS)
def test_the_status(stage: Stage, name: str) -> None:
    """The status is the recorded one at some time within the deadline: back-off makes it come and go."""
    wanted = _comparable(stage.translated(_PODS[name]["object"]["status"]))
    seen: list[Any] = []

    def reached() -> bool:
        found = _comparable(stage.pod(name)["status"])
        if not seen or seen[-1] != found:
            seen.append(found)
        return bool(found == wanted)

    try:
        stage.until(reached, name, _DEADLINE)
    except AssertionError:
        assert seen[-1] == wanted  # shows what differs


@pytest.mark.parametrize("name", _PODS)
def test_the_events(stage: Stage, name: str) -> None:
    wanted = _told(stage.translated(_PODS[name]["events"]))
    found: list[tuple[str, ...]] = []

    def told() -> bool:
        found[:] = _told(stage.events(name))
        return set(wanted) <= set(found)

    try:
        stage.until(told, name, _DEADLINE)
    except AssertionError:
        assert set(found) == set(wanted)  # shows what differs
    order = [event for event in found if event in wanted]
    assert order == sorted(order, key=wanted.index)
    assert {event[:2] for event in found} == {event[:2] for event in wanted}


def _told(events: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """(type, reason, message, field) of each event in the order of first appearance, repetitions left out."""
    told = [
        (
            event["type"],
            event["reason"],
            re.sub(r" to [\w.-]+$", " to <node>", steady(event["message"])),
            event["involvedObject"].get("fieldPath", ""),
        )
        for event in sorted(events, key=_first_seen)
    ]
    return list(dict.fromkeys(told))


def _first_seen(event: dict[str, Any]) -> str:
    """Names of events carry the time of their first appearance in nanoseconds; the recording is in order."""
    return str((event.get("metadata") or {}).get("name", "")).rpartition(".")[2]


@pytest.mark.parametrize("entry", _REQUESTS[:3], ids=lambda entry: entry["what"])
def test_a_recorded_log_request(stage: Stage, entry: dict[str, Any]) -> None:
    recorded = stage.translated(entry)
    pod = recorded["request"]["path"].split("/")[-2]
    if pod != "no-claim":
        stage.until(lambda: "containerStatuses" in stage.pod(pod).get("status", {}), pod)
        stage.until(
            lambda: (
                stage.pod(pod)["status"]["containerStatuses"][0]["state"].get("waiting", {}).get("reason")
                != "ContainerCreating"
            ),
            pod,
        )
    answer = stage.api.call("GET", recorded["request"]["path"])
    assert answer.status == recorded["response"]["status"]
    assert steady(answer.body) == steady(recorded["response"]["body"])


@pytest.mark.parametrize(
    "entry", [entry for entry in _RECORDED if "refused" in entry], ids=lambda entry: entry["what"]
)
def test_a_recorded_refusal(stage: Stage, entry: dict[str, Any]) -> None:
    stage.until_ready("two")
    stage.until(lambda: stage.pod("done")["status"]["phase"] == "Succeeded", "done")
    answer = stage.refused(entry)
    assert answer.status == entry["refused"]["status"]
    if "body" in entry["refused"]:
        assert steady(answer.body) == steady(stage.translated(entry["refused"]["body"]))
