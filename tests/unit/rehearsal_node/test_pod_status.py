"""The status of a pod from its containers, against the recordings of a real kubelet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pgnb_rehearsal.node.states import ContainerState, Running, State, Terminated, Waiting
from pgnb_rehearsal.node.status import PodFacts, phase, pod_status

_RECORDINGS = Path(__file__).parents[2] / "data" / "real-kubernetes"
_FAILURES = {
    entry["object"]["metadata"]["name"]: entry["object"]
    for entry in json.loads((_RECORDINGS / "failures.json").read_text())
    if entry.get("object", {}).get("spec", {}).get("nodeName")
}


def _state(shown: dict[str, Any]) -> State | None:
    if "waiting" in shown:
        return Waiting(shown["waiting"]["reason"], shown["waiting"].get("message", ""))
    if "running" in shown:
        return Running(shown["running"]["startedAt"])
    if "terminated" not in shown:
        return None
    end = shown["terminated"]
    times = end["startedAt"], end["finishedAt"], end["containerID"]
    return Terminated(end["exitCode"], end["reason"], *times, end.get("message", ""))


def _container(spec: dict[str, Any], status: dict[str, Any], *, init: bool) -> ContainerState:
    state, last = _state(status["state"]), _state(status["lastState"])
    assert state is not None
    assert last is None or isinstance(last, Terminated)
    return ContainerState(
        spec=spec,
        init=init,
        state=state,
        last=last,
        restarts=status["restartCount"],
        container_id=status.get("containerID", ""),
        image=status["image"],
        image_id=status["imageID"],
        started=status["started"],
        ready=status["ready"],
    )


def _containers(pod: dict[str, Any]) -> list[ContainerState]:
    spec, status = pod["spec"], pod["status"]
    init = zip(spec.get("initContainers", ()), status.get("initContainerStatuses", ()), strict=True)
    main = zip(spec["containers"], status["containerStatuses"], strict=True)
    return [_container(*one, init=True) for one in init] + [_container(*one, init=False) for one in main]


@pytest.mark.parametrize("name", _FAILURES)
def test_the_status_is_the_recorded_one(name: str) -> None:
    """From the recorded containers and addresses alone; transition times come from the status before."""
    pod = _FAILURES[name]
    wanted = pod["status"]
    conditions = {entry["type"]: entry["status"] for entry in wanted["conditions"]}
    facts = PodFacts(
        host_ip=wanted["hostIP"],
        start_time=wanted["startTime"],
        pod_ip=wanted.get("podIP", ""),
        sandbox=conditions["PodReadyToStartContainers"] == "True",
        over=wanted["phase"] in ("Succeeded", "Failed"),
    )
    found = pod_status(pod, _containers(pod), facts)
    assert found | {"resources": {}} == wanted | {"resources": {}}
    assert list(found) == list(wanted)


def _ended(code: int) -> Terminated:
    return Terminated(code, "x", "", "", "")


def _pod(policy: str) -> dict[str, Any]:
    return {"metadata": {}, "spec": {"restartPolicy": policy}}


@pytest.mark.parametrize(
    ("policy", "states", "final", "wanted"),
    [
        ("Always", [Running(""), Running("")], False, "Running"),
        ("Always", [Running(""), Waiting("ContainerCreating")], False, "Pending"),
        ("Always", [_ended(0), _ended(1)], False, "Running"),
        ("Always", [_ended(0), _ended(0)], True, "Succeeded"),
        ("Always", [_ended(0), _ended(137)], True, "Failed"),
        ("Always", [Waiting("ContainerCreating")], True, "Failed"),
        ("OnFailure", [_ended(0), _ended(1)], False, "Running"),
        ("OnFailure", [_ended(0), _ended(0)], False, "Succeeded"),
        ("Never", [_ended(0), _ended(1)], False, "Failed"),
        ("Never", [_ended(1), Running("")], False, "Running"),
    ],
)
def test_the_phase(policy: str, states: list[State], final: bool, wanted: str) -> None:
    containers = [ContainerState({"name": f"c{n}"}, state=state) for n, state in enumerate(states)]
    assert phase(_pod(policy), containers, final=final) == wanted


@pytest.mark.parametrize(("policy", "wanted"), [("Always", "Pending"), ("Never", "Failed")])
def test_the_phase_when_an_init_container_fails(policy: str, wanted: str) -> None:
    containers = [
        ContainerState({"name": "init"}, init=True, state=_ended(1)),
        ContainerState({"name": "main"}, state=Waiting("PodInitializing")),
    ]
    assert phase(_pod(policy), containers, final=False) == wanted


def test_a_sidecar_that_restarts_does_not_make_the_pod_pending() -> None:
    containers = [
        ContainerState(
            {"name": "side", "restartPolicy": "Always"}, init=True, state=_ended(1), started=False
        ),
        ContainerState({"name": "main"}, state=Running("")),
    ]
    assert phase(_pod("Always"), containers, final=False) == "Running"


def test_an_ended_container_in_back_off_shows_why_it_waits() -> None:
    container = ContainerState(
        {"name": "c"}, state=_ended(7), failure=Waiting("CrashLoopBackOff", "back-off")
    )
    assert container.seen() == (Waiting("CrashLoopBackOff", "back-off"), _ended(7))


def test_a_readiness_gate_keeps_the_pod_from_being_ready() -> None:
    pod = {"metadata": {}, "spec": {"readinessGates": [{"conditionType": "example.com/open"}]}}
    containers = [ContainerState({"name": "c", "image": "i"}, state=Running(""), ready=True, started=True)]
    status = pod_status(pod, containers, PodFacts("10.0.0.1", "2026-01-01T00:00:00Z", sandbox=True))
    by_type = {entry["type"]: entry for entry in status["conditions"]}
    assert by_type["ContainersReady"]["status"] == "True"
    assert by_type["Ready"]["reason"] == "ReadinessGatesNotReady"
