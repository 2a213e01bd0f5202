"""Why a recorded pod is not Ready, in words."""

from __future__ import annotations

import pytest
from replaying import failing, recorded_pod

from pgnb.cluster.trouble import explain, hopeless


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("image-missing", ["ErrImageNeverPull", "pgnb.example/none:1", "pull policy is Never"]),
        ("crash", ["ended with exit status 7", "2 restarts"]),
        ("no-configmap", ['configmap "nope" not found', "CreateContainerConfigError"]),
        ("no-key", ["couldn't find key nope in Secret pgnb-record/creds"]),
        ("no-claim", ["Unschedulable", 'persistentvolumeclaim "nope" not found']),
        ("no-volume", ["ContainerCreating", "MountVolume.SetUp failed", 'configmap "nope" not found']),
        ("bad-command", ["RunContainerError", "/nope", "exit status 128"]),
        ("init-fails", ["container init ended with exit status 1"]),
        ("never-ready", ["runs but is not ready"]),
        ("done", ["has ended (Succeeded)", "exit status 0"]),
        ("failed", ["has ended (Failed)", "exit status 4"]),
        ("too-big", ["Insufficient memory"]),
    ],
)
def test_says_what_holds_it_back(name: str, words: list[str]) -> None:
    pod, events = failing(name)
    text = explain(pod, events)
    assert all(word in text for word in words), text


@pytest.mark.parametrize("name", ["nonroot", "two", "not-alive"])
def test_says_nothing_of_a_ready_pod(name: str) -> None:
    assert explain(failing(name)[0]) == ""
    assert explain(recorded_pod()) == ""


def test_a_pod_on_its_way_out_is_not_ready() -> None:
    pod = recorded_pod()
    pod["metadata"]["deletionTimestamp"] = "2026-11-22T20:35:00Z"
    assert explain(pod) == "is being deleted"


@pytest.mark.parametrize("name", ["image-missing", "no-configmap", "no-key", "bad-command"])
def test_knows_what_time_does_not_mend(name: str) -> None:
    assert hopeless(failing(name)[0])


@pytest.mark.parametrize("name", ["no-volume", "never-ready", "too-big", "nonroot"])
def test_knows_what_may_still_come(name: str) -> None:
    assert not hopeless(failing(name)[0])


def test_a_helper_does_not_wait_for_an_object_that_nobody_made() -> None:
    pod, events = failing("no-volume")
    assert hopeless(pod, events) == "FailedMount"
    slow = [{"reason": "FailedMount", "message": "Unable to attach or mount volumes: timed out waiting"}]
    assert not hopeless(pod, slow)
