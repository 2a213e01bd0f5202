"""The status of a pod, computed from its containers as kubelet does (pkg/kubelet, generateAPIPodStatus).

Pure: the pod's spec, its former status and the containers go in, a status object comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.node.states import ContainerState, Running, Terminated, Waiting, now


@dataclass(frozen=True)
class PodFacts:
    """What the node knows of a pod beside its containers.

    `ending`: the containers are being stopped for good. `over`: all is stopped, the phase is final.
    `verdict`: phase, reason and message that the node decided itself, such as DeadlineExceeded.
    """

    host_ip: str
    start_time: str
    pod_ip: str = ""
    sandbox: bool = False
    ending: bool = False
    over: bool = False
    verdict: tuple[str, str, str] | None = None


def pod_status(pod: Object, containers: Sequence[ContainerState], facts: PodFacts) -> Object:
    """The whole `status` of `pod`; transition times of unchanged conditions are kept."""
    before = pod.get("status") or {}
    final = phase(pod, containers, final=facts.ending or facts.over)
    if facts.verdict is not None:
        final = facts.verdict[0]
    status: dict[str, Any] = {"observedGeneration": pod["metadata"].get("generation", 1)}
    status["phase"] = final if facts.over else _not_final_yet(pod, containers, final)
    status["conditions"] = _conditions(pod, containers, facts, final)
    if facts.verdict is not None:
        status["reason"], status["message"] = facts.verdict[1:]
    status |= {"hostIP": facts.host_ip, "hostIPs": [{"ip": facts.host_ip}]}
    if facts.pod_ip:
        status |= {"podIP": facts.pod_ip, "podIPs": [{"ip": facts.pod_ip}]}
    status["startTime"] = facts.start_time
    status |= _container_statuses(containers)
    if "qosClass" in before:
        status["qosClass"] = before["qosClass"]
    return status | {"resources": {}}


def _not_final_yet(pod: Object, containers: Sequence[ContainerState], desired: str) -> str:
    """A pod is not shown as ended before its sandbox is gone: until then it counts as running."""
    if desired not in ("Succeeded", "Failed"):
        return desired
    before = str((pod.get("status") or {}).get("phase", "Pending"))
    return "Running" if any(began(c) for c in containers if not c.init) else before


def phase(pod: Object, containers: Sequence[ContainerState], *, final: bool) -> str:
    """Pending, Running, Succeeded or Failed; `final`: nothing will be started again."""
    policy = pod["spec"].get("restartPolicy", "Always")
    if _initializing(containers):
        failed = any(_exit_code(c) not in (None, 0) for c in containers if c.init and not c.sidecar)
        return "Failed" if failed and (final or policy == "Never") else "Pending"
    main = [c for c in containers if not c.init]
    running = [c for c in main if isinstance(c.state, Running)]
    ends = [_exit_code(c) for c in main if c not in running]
    if None in ends:
        return "Failed" if final else "Pending"
    if running or (policy == "Always" and not final):
        return "Running"
    if not any(ends):
        return "Succeeded"
    return "Failed" if final or policy == "Never" else "Running"


def _initializing(containers: Sequence[ContainerState]) -> bool:
    """Init containers are to be waited for, unless the others have begun already."""
    begun = any(began(c) for c in containers if not c.init)
    return not begun and any(not initialized(c) for c in containers if c.init)


def began(container: ContainerState) -> bool:
    """True once the container has run, or has tried to."""
    return container.last is not None or not isinstance(container.state, Waiting)


def initialized(container: ContainerState) -> bool:
    """True for an init container that lets the next one begin."""
    return container.started if container.sidecar else _exit_code(container) == 0


def _exit_code(container: ContainerState) -> int | None:
    """The exit code of the latest run that ended, when the container does not run now."""
    if isinstance(container.state, Running):
        return None
    ended = container.state if isinstance(container.state, Terminated) else container.last
    return None if ended is None else ended.exit_code


# -- conditions --------------------------------------------------------------------------------------------


def _conditions(
    pod: Object, containers: Sequence[ContainerState], facts: PodFacts, final: str
) -> list[dict[str, Any]]:
    sandbox = (facts.sandbox, "", "")
    ready = _ready(containers, final)
    desired = {
        "PodReadyToStartContainers": sandbox,
        "Initialized": _initialized(containers, final),
        "Ready": _gated(pod, ready),
        "ContainersReady": ready,
    }
    before = {entry["type"]: entry for entry in (pod.get("status") or {}).get("conditions") or ()}
    generation = pod["metadata"].get("generation", 1)
    made = [_condition(kind, value, before.get(kind), generation) for kind, value in desired.items()]
    others = [entry for kind, entry in before.items() if kind not in desired]
    return made + [entry | {"observedGeneration": generation} for entry in others]


def _condition(
    kind: str, value: tuple[bool, str, str], before: Object | None, generation: int
) -> dict[str, Any]:
    status = "True" if value[0] else "False"
    unchanged = before is not None and before["status"] == status
    entry: dict[str, Any] = {
        "type": kind,
        "observedGeneration": generation,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": before["lastTransitionTime"] if before is not None and unchanged else now(),
    }
    return entry | {key: text for key, text in zip(("reason", "message"), value[1:], strict=True) if text}


def _initialized(containers: Sequence[ContainerState], final: str) -> tuple[bool, str, str]:
    if final == "Succeeded":
        return True, "PodCompleted", ""
    waiting = [c.name for c in containers if c.init and not initialized(c)]
    if waiting and _initializing(containers):
        text = f"containers with incomplete status: [{' '.join(waiting)}]"
        return False, "ContainersNotInitialized", text
    return True, "", ""


def _ready(containers: Sequence[ContainerState], final: str) -> tuple[bool, str, str]:
    if final == "Succeeded":
        return False, "PodCompleted", ""
    if final == "Failed":
        return False, "PodFailed", ""
    unready = [c.name for c in containers if (not c.init or c.sidecar) and not c.ready]
    if unready:
        return False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    return True, "", ""


def _gated(pod: Object, ready: tuple[bool, str, str]) -> tuple[bool, str, str]:
    """Ready needs the conditions of the readiness gates too."""
    conditions = {c["type"]: c["status"] for c in (pod.get("status") or {}).get("conditions") or ()}
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    missing = [gate for gate in gates if conditions.get(gate) != "True"]
    if ready[0] and missing:
        text = f'corresponding condition of pod readiness gate "{missing[0]}" does not exist.'
        return False, "ReadinessGatesNotReady", text
    return ready


# -- containers --------------------------------------------------------------------------------------------


def _container_statuses(containers: Sequence[ContainerState]) -> dict[str, Any]:
    init = [_container_status(c) for c in containers if c.init]
    main = [_container_status(c) for c in containers if not c.init]
    return ({"initContainerStatuses": init} if init else {}) | {"containerStatuses": main}


def _container_status(container: ContainerState) -> dict[str, Any]:
    state, last = container.seen()
    shown: dict[str, Any] = {
        "name": container.name,
        "state": state.shown(),
        "lastState": last.shown() if last is not None else {},
        "ready": container.ready,
        "restartCount": container.restarts,
        "image": container.image or container.spec["image"],
        "imageID": container.image_id,
    }
    if container.container_id:
        shown["containerID"] = container.container_id
    shown["started"] = container.started
    if container.container_id:
        shown["resources"] = {}
    if container.spec.get("volumeMounts"):
        shown["volumeMounts"] = [_mount_status(mount) for mount in container.spec["volumeMounts"]]
    return shown


def _mount_status(mount: Object) -> dict[str, Any]:
    shown = {"name": mount["name"], "mountPath": mount["mountPath"]}
    return shown | ({"readOnly": True, "recursiveReadOnly": "Disabled"} if mount.get("readOnly") else {})
