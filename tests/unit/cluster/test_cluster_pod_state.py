"""Why a recorded pod is not Ready, in words."""

from __future__ import annotations

import pytest
from replaying import failing, recorded_pod

from pgnb.cluster.pod_state import not_ready_reason, permanent_failure, remedy_for


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
    text = not_ready_reason(pod, events)
    assert all(word in text for word in words), text


@pytest.mark.parametrize("name", ["nonroot", "two", "not-alive"])
def test_says_nothing_of_a_ready_pod(name: str) -> None:
    assert not_ready_reason(failing(name)[0]) == ""
    assert not_ready_reason(recorded_pod()) == ""


def test_a_pod_on_its_way_out_is_not_ready() -> None:
    pod = recorded_pod()
    pod["metadata"]["deletionTimestamp"] = "2026-11-22T20:35:00Z"
    assert not_ready_reason(pod) == "is being deleted"


@pytest.mark.parametrize("name", ["image-missing", "no-configmap", "no-key", "bad-command"])
def test_knows_what_time_does_not_mend(name: str) -> None:
    assert permanent_failure(failing(name)[0])


@pytest.mark.parametrize("name", ["no-volume", "never-ready", "too-big", "nonroot"])
def test_knows_what_may_still_come(name: str) -> None:
    assert not permanent_failure(failing(name)[0])


def test_says_what_is_under_way_while_a_pod_waits_for_its_node_its_volume_or_its_image() -> None:
    pod = {"metadata": {"name": "p"}, "spec": {}, "status": {"phase": "Pending"}}
    told = [
        ("FailedAttachVolume", "Multi-Attach error for volume pv-1", "Multi-Attach error for volume pv-1"),
        (
            "SuccessfulAttachVolume",
            "AttachVolume.Attach succeeded",
            "SuccessfulAttachVolume: AttachVolume.Att",
        ),
        (
            "VolumePermissionChangeInProgress",
            "Setting volume ownership",
            "VolumePermissionChangeInProgress: S",
        ),
        ("Pulling", "Pulling image postgres:17", "Pulling: Pulling image postgres:17"),
        ("Pulled", "Successfully pulled image", "Pending, not Ready yet"),
        ("Pulling", "Pulling image of a sidecar", "Pulling: Pulling image of a sidecar"),
        ("Started", "Started container", "Pending, not Ready yet"),
    ]
    for number, (*_, words) in enumerate(told, 1):
        events = [{"reason": reason, "message": message} for reason, message, _ in told[:number]]
        assert not_ready_reason(pod, events).startswith(words)


def test_what_was_under_way_is_no_reason_once_the_containers_run() -> None:
    """One event may be all that is left: others are dropped where there are many."""
    pod, _ = failing("never-ready")
    text = not_ready_reason(pod, [{"reason": "Pulling", "message": "Pulling image postgres:17"}])
    assert "runs but is not ready" in text
    assert "Pulling" not in text


def test_a_helper_does_not_wait_for_an_object_that_nobody_made() -> None:
    pod, events = failing("no-volume")
    assert permanent_failure(pod, events) == "FailedMount"
    slow = [{"reason": "FailedMount", "message": "Unable to attach or mount volumes: timed out waiting"}]
    assert not permanent_failure(pod, slow)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("image-missing", "pull secret"),
        ("no-configmap", "Create the Secret, ConfigMap or key"),
        ("no-claim", "claim's events"),
        ("no-volume", "Create what the volume names"),
        ("bad-command", "command, mounts and securityContext"),
        ("too-big", "let the pod request less"),
        ("crash", "kubectl logs --previous"),
    ],
)
def test_says_what_helps(name: str, remedy: str) -> None:
    pod, events = failing(name)
    assert remedy in remedy_for(not_ready_reason(pod, events), "nothing known")


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("Unschedulable: 0/2 nodes are available: 2 node(s) had untolerated taint {db: }", "toleration"),
        ("Unschedulable: 0/1 nodes are available: 1 node(s) had volume node affinity conflict", "zones"),
        (
            'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) db-0',
            "attached to another",
        ),
        ('pods "a" is forbidden: exceeded quota: q, requested: pods=1', "Raise the ResourceQuota"),
        ('pods "a" is forbidden: maximum cpu usage per Container is 1, but limit is 2', "A LimitRange"),
        ("nothing that is known", "nothing known"),
    ],
)
def test_says_what_helps_against_a_scheduler_a_volume_and_a_refusal(words: str, remedy: str) -> None:
    assert remedy in remedy_for(words, "nothing known")
