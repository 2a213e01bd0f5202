"""Find out why a pod is not Ready, in the words of the kubelet and the scheduler."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pgnb.cluster.api_errors import admission_remedy

_MEANING: Mapping[str, str] = {
    "ErrImagePull": "the image cannot be pulled: check its name, tag and pull secret",
    "ImagePullBackOff": "the image cannot be pulled: check its name, tag and pull secret",
    "ErrImageNeverPull": "the image is not on the node and the pull policy is Never",
    "InvalidImageName": "the image's name is not valid",
    "CreateContainerConfigError": "a ConfigMap, Secret or key that the pod names is missing",
    "CreateContainerError": "the container cannot be created",
    "RunContainerError": "the command cannot be started: check its path in the image",
    "CrashLoopBackOff": "the container keeps ending: see its log with previous=True",
    "Unschedulable": "no node can run the pod",
}
HOPELESS = frozenset(
    (
        "ErrImageNeverPull",
        "ImagePullBackOff",
        "InvalidImageName",
        "CreateContainerConfigError",
        "RunContainerError",
    )
)
"""Reasons for which waiting does not help."""
_NO_SUCH_IMAGE = ("not found", "denied", "unauthorized", "manifest unknown")
"""A registry's answers for which a retry does not help; a timeout or a 500 is not among them."""


_FAILURES = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
_UNDER_WAY = ("TriggeredScaleUp", "SuccessfulAttachVolume", "VolumePermissionChangeInProgress", "Pulling")
"""Events of a pod that will start: a node is added, a volume attached or given its group, an image pulled."""
_REMEDIES: tuple[tuple[str, str], ...] = (
    (r"Unschedulable.*Insufficient", "Free resources on a node, add a node, or let the pod request less."),
    (r"Unschedulable.*taint", "Give the pod a toleration for the nodes' taints (kubectl describe node)."),
    (
        r"Unschedulable.*(affinity|selector)",
        "Its node selector, affinity or volume matches no node: compare them with the nodes'"
        " labels and zones.",
    ),
    (r"Unschedulable.*(?i:persistentvolumeclaim)", "See the claim's events: does its storage class exist?"),
    (r"Unschedulable", "See what the scheduler says about each node."),
    (
        r"ErrImage|ImagePullBackOff|InvalidImageName",
        "Check the image's name and tag, its pull secret, and whether the node reaches the registry.",
    ),
    (r"CreateContainerConfigError", "Create the Secret, ConfigMap or key that it names."),
    (r"RunContainerError|CreateContainerError", "Check its command, mounts and securityContext."),
    (
        r"Multi-Attach|AttachVolume",
        "The volume is still attached to another node: find out which pod uses it, and"
        " whether the node is up.",
    ),
    (r"MountVolume|Unable to attach or mount", "Create what the volume names, or check the volume's driver."),
    (r"CrashLoopBackOff|ended with exit status", "See the container's log (kubectl logs --previous)."),
)
"""Texts of `not_ready_reason` with their remedies; the first match counts."""
_DONE = ("Pulled", "Created", "Started")
"""Events that end what an earlier event waited for."""
_NOT_THERE = re.compile(r'(secret|configmap) "[^"]+" not found|references non-existent (secret|config) key')
"""The kubelet's text for a volume whose object or key does not exist (kubelet: MountVolume.SetUp failed)."""


def not_ready_reason(pod: Mapping[str, Any], events: Iterable[Mapping[str, Any]] = ()) -> str:
    """Return phase, reason and message of what keeps a pod from being Ready; "" if it is Ready.

    `events` are the pod's own, oldest first: they are the only source of some reasons, such as a volume that
    cannot be mounted, and of what is in progress, such as a node that is added.
    """
    status = pod.get("status") or {}
    if pod.get("metadata", {}).get("deletionTimestamp"):
        return "is being deleted"
    if status.get("phase") in ("Succeeded", "Failed"):
        return _ended(status)
    if condition(pod, "Ready").get("status") == "True":
        return ""
    told = "" if _all_started(status) else _latest(events)
    found = [text for text in (_unschedulable(pod), *_containers(status), told) if text]
    return "; ".join(found) or f"{status.get('phase', 'Unknown')}, not Ready yet"


def permanent_failure(pod: Mapping[str, Any], events: Iterable[Mapping[str, Any]] = ()) -> str:
    """Return the reason why waiting for this pod cannot help; "" if it may still become Ready.

    With its `events`, a volume whose Secret, ConfigMap or key does not exist counts, too: for a pod whose
    maker names only existing objects.
    """
    statuses = _all_statuses(pod.get("status") or {})
    waiting = [status.get("state", {}).get("waiting") or {} for status in statuses]
    reason = next((str(state["reason"]) for state in waiting if _in_vain(state)), "")
    return reason or ("FailedMount" if _NOT_THERE.search(_mount(events)) else "")


def remedy_for(words: str, otherwise: str = "") -> str:
    """Return the remedy for a reason of `not_ready_reason` or of a controller."""
    known = (remedy for pattern, remedy in _REMEDIES if re.search(pattern, words, re.DOTALL))
    return admission_remedy(words) or next(known, otherwise)


def _in_vain(waiting: Mapping[str, Any]) -> bool:
    reason, message = waiting.get("reason"), str(waiting.get("message", "")).lower()
    if reason == "ErrImagePull":
        return any(word in message for word in _NO_SUCH_IMAGE)
    return reason in HOPELESS


def condition(pod: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return the condition of that type in a pod's or workload's status; empty if there is none."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return next((found for found in conditions if found.get("type") == kind), {})


def _ended(status: Mapping[str, Any]) -> str:
    ends = [text for entry in _all_statuses(status) if (text := _end(entry))]
    reason = " ".join(part for part in (status.get("reason"), status.get("message")) if part)
    return "; ".join([f"has ended ({status['phase']})", *([reason] if reason else []), *ends])


def _end(entry: Mapping[str, Any]) -> str:
    ended = (entry.get("state") or {}).get("terminated")
    return _terminated(entry["name"], ended) if ended else _container(entry)


def _unschedulable(pod: Mapping[str, Any]) -> str:
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") != "False":
        return ""
    return f"{scheduled.get('reason', 'Unschedulable')}: {scheduled.get('message', '')}".rstrip(": ")


def _all_started(status: Mapping[str, Any]) -> bool:
    states = [entry.get("state") or {} for entry in status.get("containerStatuses") or []]
    return bool(states) and all("running" in state or "terminated" in state for state in states)


def _containers(status: Mapping[str, Any]) -> list[str]:
    return [text for entry in _all_statuses(status) if (text := _container(entry))]


def _container(entry: Mapping[str, Any]) -> str:
    name, state, last = entry["name"], entry.get("state") or {}, entry.get("lastState") or {}
    if waiting := state.get("waiting"):
        return _waiting(name, waiting, last)
    if ended := state.get("terminated"):
        return _terminated(name, ended, entry.get("restartCount", 0)) if ended.get("exitCode") else ""
    return "" if entry.get("ready") else f"container {name} runs but is not ready (its readiness probe fails)"


def _waiting(name: str, waiting: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    reason = waiting.get("reason", "waiting")
    if reason == "PodInitializing":
        return ""
    said = waiting.get("message") or ""
    meaning = f" ({_MEANING[reason]})" if reason in _MEANING else ""
    before = last.get("terminated") or {}
    exit_text = f"; it last ended with exit status {before['exitCode']}" if "exitCode" in before else ""
    return f"container {name}: {reason}{f': {said}' if said else ''}{meaning}{exit_text}"


def _terminated(name: str, ended: Mapping[str, Any], restarts: int = 0) -> str:
    said = f": {ended['message']}" if ended.get("message") else ""
    again = f", {restarts} restarts so far" if restarts else ""
    status = f"exit status {ended.get('exitCode')} ({ended.get('reason')})"
    return f"container {name} ended with {status}{said}{again}"


def _mount(events: Iterable[Mapping[str, Any]]) -> str:
    said = [event.get("message", "") for event in events if event.get("reason") in _FAILURES]
    return said[-1] if said else ""


def _latest(events: Iterable[Mapping[str, Any]]) -> str:
    """Return what keeps a pod waiting (volumes, image or nodes), from the latest event."""
    told = [event for event in events if event.get("reason") in (*_FAILURES, *_UNDER_WAY, *_DONE)]
    if not told or told[-1]["reason"] in _DONE:
        return ""
    reason, message = told[-1]["reason"], str(told[-1].get("message", ""))
    return message if reason in _FAILURES else f"{reason}: {message}"


def _all_statuses(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
