"""The old primary as Kubernetes shows it; its server need not answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pgnb.cluster import Cluster, Pod, Workload
from pgnb.cluster.helper_spec import START
from pgnb.core.display import Cell
from pgnb.core.errors import (
    AccessDenied,
    ClusterError,
    DeadlineExceeded,
    ExecFailed,
    NotFound,
    ParameterError,
    PgnbError,
    PodError,
)
from pgnb.physical.target import Target, data_directory_named, find_target, find_workload, template_pod
from pgnb.postgres import Server, ServerAccess, find_server
from pgnb.postgres.incharge import assert_nobody_in_charge

_OVERDUE = timedelta(seconds=10)
"""A pod that is so long overdue is held by a finalizer, or by a node that is gone."""


@dataclass(frozen=True)
class OldPrimary:
    """A Deployment or StatefulSet of one server. `target` is its volume, None if it can't be used.

    `find` finds the server that runs in it now; `fence_limitation` says why the volume can't be fenced.
    `_found` keeps that server, with its sessions, while it answers.
    """

    cluster: Cluster = field(repr=False)
    workload: Workload
    container: str
    target: Target | None
    fence_limitation: str
    find: Callable[[], Server] = field(repr=False)
    _found: list[Server] = field(default_factory=list, repr=False, compare=False)

    @property
    def name(self) -> str:
        """`deployment/NAME`."""
        return self.workload.label

    def reload(self) -> Workload:
        """Read the workload again."""
        return self.cluster.find_workload(self.workload.kind, self.workload.name)

    def pods(self) -> tuple[Pod, ...]:
        """Read its pods, including those that are being deleted."""
        return self.cluster.pods(self.workload.selector, self.container)

    def unreachable_pods(self) -> tuple[Pod, ...]:
        """Return the pods whose containers may still run, although nobody can see it."""
        return tuple(pod for pod in self.pods() if self._overdue(pod) or self._node_unreachable(pod))

    def _overdue(self, pod: Pod) -> bool:
        due = pod.object["metadata"].get("deletionTimestamp")
        return bool(due) and datetime.now(UTC) - datetime.fromisoformat(due) > _OVERDUE

    def _node_unreachable(self, pod: Pod) -> str:
        """Return why the pod's node does not report; empty if it does, or if nodes may not be read."""
        if not pod.node:
            return ""
        try:
            node = self.cluster.get("nodes", pod.node)
        except AccessDenied:
            return ""  # Then only the pod shows it: it is overdue if its node is gone.
        if node is None:
            return f"the node {pod.node} is gone"
        found = [c for c in (node.get("status") or {}).get("conditions") or [] if c["type"] == "Ready"]
        reports = bool(found) and found[0]["status"] != "Unknown"
        return "" if reports else f"the node {pod.node} does not report"

    def not_ready_reason(self, pod: Pod) -> str:
        """Return why a pod is not Ready, or its node does not report; empty if neither."""
        return "; ".join(part for part in (pod.not_ready_reason, self._node_unreachable(pod)) if part)

    def server(self) -> tuple[Server | None, str]:
        """Return the server with its facts read now, and ""; or None and why it does not answer."""
        try:
            self._drop_stale()
            if not self._found:
                self._found.append(self.find())
            (found,) = self._found
            found.refresh()
        except PgnbError as error:
            self._found.clear()
            return None, " ".join(f"{error.message}: {error.found}".split())[:300]
        return (found, "") if found.present else (None, "no pod")

    def _drop_stale(self) -> None:
        """Forget a server whose pod is no longer Ready, since a query to it would only wait."""
        if self._found and self._found[0].present:
            ready = {pod.uid for pod in self.pods() if pod.ready}
            if self._found[0].pod.uid not in ready:
                self._found.pop().close()

    @property
    def answers(self) -> bool:
        """Whether it still serves as a primary by SQL; if SQL does not answer, whether a pod is Ready."""
        server, _ = self.server() if self.pods() else (None, "")
        if server is not None and server.present:
            return not server.facts.in_recovery
        return any(pod.ready for pod in self.pods())

    @property
    def claim_lost(self) -> str:
        """Why its volume can't be used, as far as the API server knows; empty if it can."""
        if self.target is None:
            return self.fence_limitation
        try:
            found = self.cluster.get("persistentvolumeclaims", self.target.claim)
        except ClusterError as error:
            return f"its claim {self.target.claim} can't be read: {error.message}"
        return "" if found is not None else f"its claim {self.target.claim} is gone"

    @property
    def state(self) -> Cell:
        """Its pods and replicas in one line."""
        pods = [f"{pod.name}: {self.not_ready_reason(pod) or 'Ready'}" for pod in self.pods()]
        running = Cell("; ".join(pods), "warn" if any(map(self.not_ready_reason, self.pods())) else "good")
        return running if pods else Cell(f"no pod, scaled to {self.reload().replicas}", "dim")

    @property
    def volume(self) -> str:
        """The claim of its data, or why there is none."""
        return f"claim {self.target.claim}" if self.target else self.fence_limitation


def old_primary(
    cluster: Cluster,
    name: str,
    access: ServerAccess,
    *,
    likely_directory: str = "",
    start_timeout: float = START,
) -> OldPrimary:
    """Find the workload of that name. Raises NotFound, and ParameterError for one that pgnb can't scale.

    `likely_directory` is used if nothing names its data directory and no container can be asked, since its
    image may be broken. `start_timeout`: seconds for a helper pod on its volume to start.
    """
    workload = find_workload(cluster, name)
    if workload is None:
        raise NotFound(
            f"there is no Deployment or StatefulSet {name}",
            remedy="Set primary to the old primary's workload (kubectl get deployments,statefulsets)."
            " If it was"
            " deleted, apply its manifest again with replicas: 0, so that its volume can be fenced, and run"
            " this again. For a server of an operator, let the operator fail over.",
        )
    _assert_single(workload)
    container, data_directory = access.container, access.data_directory
    pod = template_pod(workload, container)
    assert_nobody_in_charge(cluster, pod)
    asked = any(p.started_at and not p.deleting for p in cluster.pods(workload.selector, pod.container))
    if not data_directory and not asked and not data_directory_named(pod):
        data_directory = likely_directory
    target, limitation = _target(cluster, name, container, data_directory)
    target = replace(target, start_timeout=start_timeout) if target else None
    return OldPrimary(
        cluster,
        workload,
        pod.container,
        target,
        limitation,
        lambda: find_server(
            cluster, workload.selector, container=container, user=access.user, password=access.password
        ),
    )


def _assert_single(workload: Workload) -> None:
    if workload.replicas > 1:
        raise ParameterError(
            f"{workload.label} runs several servers; its primary can't be stopped alone",
            found=f"{workload.replicas} replicas",
            remedy="Each server needs its own workload, or an operator that manages them.",
        )


def _target(cluster: Cluster, name: str, container: str, directory: str) -> tuple[Target | None, str]:
    try:
        return find_target(cluster, name, container=container, data_directory=directory), ""
    except (ParameterError, PodError, ExecFailed, DeadlineExceeded) as error:
        return None, f"{error.message} ({error.found})"
