"""Scale and restart what runs a server, never with two postmasters on one data directory.

A pod is never deleted, because its replacement would start before it has ended (with any update strategy).
Scaling to 0 and waiting until every pod has ended, or a rollout with `Recreate`, does wait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pgnb.cluster.admission import not_created, permanent_refusal
from pgnb.cluster.client import Api, Object
from pgnb.cluster.objects import (
    MERGE,
    STRATEGIC,
    changing,
    get,
    list_all,
    send_patch_as_seen,
)
from pgnb.cluster.persistence import assert_claims_kept
from pgnb.cluster.pod_state import not_ready_reason, permanent_failure, remedy_for
from pgnb.cluster.selection import describe_pods
from pgnb.cluster.workloads import Workload
from pgnb.core.checks import Check, Checks
from pgnb.core.errors import ParameterError, PodError
from pgnb.core.plan import Change, Step
from pgnb.core.wait import wait_until

TIMEOUT = 300.0
"""Seconds to wait for pods to end or to become Ready, by default."""
RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""The annotation of the pod template that `kubectl rollout restart` writes."""
_HELD_BACK = "See the pod's events and log; a finalizer or a node that does not answer can delay its end."
_NOT_READY = "See the new pod's events and log."
_NOT_MADE = "See the events of its ReplicaSet or StatefulSet."


@dataclass(frozen=True)
class _Pods:
    """The pods of a workload at one moment."""

    found: tuple[Object, ...]
    states: str

    @property
    def uids(self) -> frozenset[str]:
        return frozenset(pod["metadata"]["uid"] for pod in self.found)

    @property
    def ready(self) -> tuple[Object, ...]:
        return tuple(pod for pod in self.found if not not_ready_reason(pod))


def scale_and_wait(api: Api, workload: Workload, replicas: int, *, timeout: float = TIMEOUT) -> str:
    """Scale, and wait until exactly that many pods exist and all are Ready.

    Raises ParameterError for a workload that cannot be scaled, DeadlineExceeded with the state of its pods,
    Conflict if somebody else changed the workload since it was read.
    """
    _assert_scalable(workload)
    if replicas < workload.replicas:
        assert_claims_kept(workload.label, workload.object["spec"])
    body = {"spec": {"replicas": replicas}}
    # On the object itself, because the subresource `scale` would need one more right for the same effect.
    with changing(api, workload.label, f"scale to {replicas}, and wait") as act:
        old = _pods(api, workload).uids
        send_patch_as_seen(api, workload.object, body, MERGE)
        act.result = wait_scaled(api, workload, replicas, old, timeout=timeout)
    return act.result


def wait_scaled(
    api: Api,
    workload: Workload,
    replicas: int,
    old: frozenset[str] = frozenset(),
    *,
    timeout: float = TIMEOUT,
) -> str:
    """Wait until exactly `replicas` pods exist, all Ready; return what was found.

    Raises PodError at once for a pod that cannot start, unless it is one of the `old` (by uid), which are
    being replaced.
    """
    goal = f"{replicas} Ready pods of {workload.label}" if replicas else f"no pod of {workload.label}"
    state = wait_until(
        goal,
        lambda: _hopeful(workload, _pods(api, workload), old),
        lambda pods: len(pods.found) == len(pods.ready) == replicas,
        timeout=timeout,
        every=0.2,
        describe=lambda pods: pods.states,
        remedy=lambda pods: remedy_for(pods.states, _HELD_BACK if not replicas else _NOT_READY),
    )
    return "no pod is left" if not replicas else state.states


def _pods(api: Api, workload: Workload) -> _Pods:
    """Return the pods that the selector matches and that no other workload owns."""
    found = tuple(list_all(api, "pods", workload.selector))
    return _Pods(found, describe_pods(api, found) or not_created(api, workload) or "no pod")


def plan_restart(
    api: Api,
    workload: Workload,
    *,
    data: str,
    reason: str,
    timeout: float = TIMEOUT,
    before: Callable[[], str] | None = None,
) -> Change:
    """Return a plan that replaces the workload's one pod: the old one ends before the new one starts.

    `data` is the volume's description for the check that it outlives the pod ("": it does not); `before` runs
    first (a CHECKPOINT). With `Recreate` the rollout does it, otherwise scaling to 0 and back.
    """
    _assert_scalable(workload)
    rolls = workload.kind == "StatefulSet" or workload.strategy == "Recreate"
    if workload.strategy == "OnDelete":
        assert_claims_kept(workload.label, workload.object["spec"])
    return Change(
        f"Restart {workload.label}",
        api.journal,
        f"{RESTARTED}: {_restarted(workload)}" if rolls else f"replicas: {workload.replicas}",
        f"{RESTARTED}: now" if rolls else f"replicas: 0, then {workload.replicas}",
        _restart_steps(api, workload, rolls, timeout, before),
        note=f"Because {reason}. {_note(workload)}".strip(),
        precheck=lambda: _safe_to_restart(api, workload, data),
    )


def _restart_steps(
    api: Api, workload: Workload, rolls: bool, timeout: float, before: Callable[[], str] | None
) -> list[Step]:
    first = [Step(workload.label, "CHECKPOINT, so that the shutdown is short", before)] if before else []
    if rolls and workload.strategy != "OnDelete":
        what = "roll out: the old pod ends, then the new one starts; wait until it is Ready"
        return [*first, Step(workload.label, what, lambda: roll_out(api, workload, timeout=timeout), True)]
    down = Step(
        workload.label,
        "scale to 0 and wait until every pod has ended",
        lambda: scale_and_wait(api, workload, 0, timeout=timeout),
        True,
    )
    up = Step(
        workload.label,
        f"scale to {workload.replicas} and wait until it is Ready",
        lambda: scale_and_wait(api, workload, workload.replicas, timeout=timeout),
        True,
    )
    return [*first, down, up]


def roll_out(api: Api, workload: Workload, *, timeout: float = TIMEOUT) -> str:
    """Restart by a rollout and wait until the controller has completed it; return the new pod's name."""
    stamp = datetime.now(UTC).isoformat(timespec="microseconds")
    body = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: stamp}}}}}
    with changing(api, workload.label, "restart by a rollout, and wait") as act:
        old = _pods(api, workload).uids
        changed = send_patch_as_seen(api, workload.object, body, STRATEGIC)
        _wait_rolled_out(api, workload, changed, old, timeout)
        act.result = wait_scaled(api, workload, workload.replicas, old, timeout=timeout)
    return act.result


def _wait_rolled_out(
    api: Api, workload: Workload, changed: Object, old: frozenset[str], timeout: float
) -> None:
    generation = int(changed["metadata"].get("generation", 0))

    def probe() -> Object:
        _hopeful(workload, _pods(api, workload), old)
        return get(api, workload.plural, workload.name) or {}

    wait_until(
        f"the rollout of {workload.label}",
        probe,
        lambda found: rolled_out(found, generation),
        timeout=timeout,
        every=0.2,
        describe=lambda _: _pods(api, workload).states,
        remedy=lambda _: remedy_for(_pods(api, workload).states, _NOT_READY),
    )


def _hopeful(workload: Workload, pods: _Pods, old: frozenset[str]) -> _Pods:
    if not pods.found and permanent_refusal(pods.states):
        raise PodError(
            f"{workload.label}: no pod can be created",
            found=pods.states,
            remedy=remedy_for(pods.states, _NOT_MADE),
        )
    new = [pod for pod in pods.found if pod["metadata"]["uid"] not in old]
    if reasons := [reason for pod in new if (reason := permanent_failure(pod))]:
        raise PodError(
            f"{workload.label}: its new pod cannot start ({reasons[0]})",
            found=pods.states,
            remedy=f"{remedy_for(pods.states, 'Correct what it says.')} The workload stays as it is now.",
        )
    return pods


def rolled_out(found: Object, generation: int) -> bool:
    """Return whether the controller has seen `generation`, and exactly its replicas exist and are Ready."""
    status, wanted = found.get("status") or {}, int((found.get("spec") or {}).get("replicas", 1))
    if int(status.get("observedGeneration", 0)) < generation:
        return False
    revisions = status.get("currentRevision") == status.get("updateRevision")
    counts = [int(status.get(key, 0)) for key in ("replicas", "updatedReplicas", "readyReplicas")]
    if found.get("kind") == "StatefulSet" and "updatedReplicas" not in status:
        counts[1] = wanted if revisions else 0
    return counts == [wanted] * 3 and (found.get("kind") != "StatefulSet" or revisions)


def _safe_to_restart(api: Api, workload: Workload, data: str) -> Checks:
    pods = _pods(api, workload)
    wrong = [not_ready_reason(pod) for pod in pods.found if not_ready_reason(pod)]
    items = [
        Check(
            "data outlives the pod",
            bool(data),
            data or "not on a persistent volume",
            "a persistent volume",
            "A restart would lose every row: move the data to a PersistentVolumeClaim first.",
        ),
        Check(
            "one pod",
            len(pods.found) == 1,
            len(pods.found),
            1,
            "Wait until earlier changes have been completed.",
        ),
        Check(
            "the pod is Ready",
            not wrong,
            "; ".join(wrong) or "Ready",
            "Ready",
            "Correct what keeps it from being Ready first.",
        ),
    ]
    return Checks.of(f"Before the restart of {workload.label}", items, api.journal)


def _restarted(workload: Workload) -> str:
    template = workload.object["spec"]["template"].get("metadata") or {}
    return str((template.get("annotations") or {}).get(RESTARTED, "none"))


def _note(workload: Workload) -> str:
    tools = ", ".join(workload.managed_by)
    return f"{tools} manages {workload.label} and may undo this." if tools else ""


def _assert_scalable(workload: Workload) -> None:
    if not workload.scalable:
        raise ParameterError(
            f"{workload.label} cannot be scaled or rolled out by pgnb",
            found=f"its pod belongs to a {workload.kind}",
            remedy="If an operator manages the server, restart it by the operator; for a bare"
            " pod, make a workload first.",
        )
