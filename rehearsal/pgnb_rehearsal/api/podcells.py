"""The cells of a pod's row, as kube-apiserver's printers compute them from its status."""

from __future__ import annotations

from typing import Any

from pgnb_rehearsal.api.cells import NONE, since
from pgnb_rehearsal.api.objects import Object, lookup


def ready(pod: Object) -> str:
    """Ready containers (sidecars included) of all."""
    sidecars = [c["name"] for c in _init_containers(pod) if _is_sidecar(c)]
    counted = [s for s in _statuses(pod, "initContainerStatuses") if s["name"] in sidecars]
    counted += _statuses(pod, "containerStatuses")
    total = len(lookup(pod, "spec", "containers") or ()) + len(sidecars)
    running = [s for s in counted if s.get("ready") and "running" in (s.get("state") or {})]
    return f"{len(running)}/{total}"


def restarts(pod: Object) -> str:
    """Restarts, and when the last one was."""
    initialising = _initialising(pod)
    key = "initContainerStatuses" if initialising else "containerStatuses"
    statuses = _statuses(pod, key)
    count = sum(int(status.get("restartCount", 0)) for status in statuses)
    ends = [lookup(status, "lastState", "terminated", "finishedAt") for status in statuses]
    last = max((end for end in ends if end), default="")
    return f"{count} ({since(last)} ago)" if count and last else str(count)


def status(pod: Object) -> str:
    """The one word that says how the pod is."""
    reason = lookup(pod, "status", "reason") or lookup(pod, "status", "phase") or "Unknown"
    initialising = _initialising(pod)
    reason = initialising or _container_reason(pod, reason)
    if "deletionTimestamp" in pod["metadata"] and lookup(pod, "status", "reason") == "NodeLost":
        return "Unknown"
    if "deletionTimestamp" in pod["metadata"] and lookup(pod, "status", "phase") not in _ENDED:
        return "Terminating"
    return str(reason)


_ENDED = ("Succeeded", "Failed")


def address(pod: Object) -> str:
    """The pod's IP."""
    return lookup(pod, "status", "podIP") or NONE


def node(pod: Object) -> str:
    """The node's name."""
    return lookup(pod, "spec", "nodeName") or NONE


def nominated(pod: Object) -> str:
    """The node that the scheduler means to free."""
    return lookup(pod, "status", "nominatedNodeName") or NONE


def gates(pod: Object) -> str:
    """Readiness gates met of all."""
    wanted = [gate["conditionType"] for gate in lookup(pod, "spec", "readinessGates") or ()]
    met = [
        c for c in lookup(pod, "status", "conditions") or () if c["type"] in wanted and c["status"] == "True"
    ]
    return f"{len(met)}/{len(wanted)}" if wanted else NONE


def _statuses(pod: Object, key: str) -> list[dict[str, Any]]:
    return lookup(pod, "status", key) or []


def _init_containers(pod: Object) -> list[dict[str, Any]]:
    return lookup(pod, "spec", "initContainers") or []


def _is_sidecar(container: dict[str, Any]) -> bool:
    return container.get("restartPolicy") == "Always"


def _initialising(pod: Object) -> str:
    """`Init:…` for the first init container that is not done, or empty."""
    specs = {container["name"]: container for container in _init_containers(pod)}
    for index, found in enumerate(_statuses(pod, "initContainerStatuses")):
        state = found.get("state") or {}
        if lookup(state, "terminated", "exitCode") == 0:
            continue
        if _is_sidecar(specs.get(found["name"], {})) and found.get("started"):
            continue
        return "Init:" + _init_reason(state, index, len(specs))
    return ""


def _init_reason(state: dict[str, Any], index: int, total: int) -> str:
    if "terminated" in state:
        return _terminated(state["terminated"])
    waiting = lookup(state, "waiting", "reason")
    return waiting if waiting and waiting != "PodInitializing" else f"{index}/{total}"


def _terminated(state: dict[str, Any]) -> str:
    if state.get("reason"):
        return str(state["reason"])
    return f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode')}"


def _container_reason(pod: Object, reason: str) -> str:
    """The last container that is waiting or has ended decides; a running and ready one unmakes Completed."""
    running = False
    for found in reversed(_statuses(pod, "containerStatuses")):
        state = found.get("state") or {}
        if lookup(state, "waiting", "reason"):
            reason = state["waiting"]["reason"]
        elif "terminated" in state:
            reason = _terminated(state["terminated"])
        elif found.get("ready") and "running" in state:
            running = True
    if reason == "Completed" and running:
        is_ready = any(
            c["type"] == "Ready" and c["status"] == "True" for c in lookup(pod, "status", "conditions") or ()
        )
        return "Running" if is_ready else "NotReady"
    return reason
