"""The primary that gives its role away, seen from Kubernetes: it needs to answer nothing for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pgnb.cluster import Cluster, Pod, Workload
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
from pgnb.postgres import Server, find_server
from pgnb.postgres.incharge import assert_nobody_in_charge

_OVERDUE = timedelta(seconds=10)
"""A pod that should have ended so long ago is held back: by a finalizer, or by a node that is not there."""


@dataclass
class OldPrimary:
    """A Deployment or StatefulSet of one server. `target` is its volume; None: it can't be worked on.

    `find` looks for the server that runs in it now; `weak` says why the volume can't be fenced.
    """

    cluster: Cluster = field(repr=False)
    workload: Workload
    container: str
    target: Target | None
    weak: str
    find: Callable[[], Server] = field(repr=False)
    _found: Server | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """`deployment/NAME`."""
        return self.workload.label

    def again(self) -> Workload:
        """The workload as it is now."""
        return self.cluster.find_workload(self.workload.kind, self.workload.name)

    def pods(self) -> tuple[Pod, ...]:
        """Its pods as they are now, those on their way out among them."""
        return self.cluster.pods(self.workload.selector, self.container)

    def unseen(self) -> tuple[Pod, ...]:
        """Pods of which nobody can say whether their containers still run."""
        return tuple(pod for pod in self.pods() if self._overdue(pod) or self._node_trouble(pod))

    def _overdue(self, pod: Pod) -> bool:
        due = pod.object["metadata"].get("deletionTimestamp")
        return bool(due) and datetime.now(UTC) - datetime.fromisoformat(due) > _OVERDUE

    def _node_trouble(self, pod: Pod) -> str:
        """Why the pod's node can't be heard; empty when it can, or when nodes may not be read."""
        if not pod.node:
            return ""
        try:
            node = self.cluster.get("nodes", pod.node)
        except AccessDenied:
            return ""  # Then the pod's own state must do: it is overdue when its node is gone.
        if node is None:
            return f"the node {pod.node} is gone"
        found = [c for c in (node.get("status") or {}).get("conditions") or [] if c["type"] == "Ready"]
        heard = bool(found) and found[0]["status"] != "Unknown"
        return "" if heard else f"the node {pod.node} does not report"

    def trouble(self, pod: Pod) -> str:
        """A pod's state in words; empty for a Ready one that is heard."""
        return "; ".join(part for part in (pod.not_ready_reason, self._node_trouble(pod)) if part)

    def server(self) -> tuple[Server | None, str]:
        """The server, with its facts read now, and ""; or None and why it does not answer."""
        try:
            self._drop_stale()
            self._found = self._found or self.find()
            self._found.refresh()
        except PgnbError as error:
            self._found = None
            return None, " ".join(f"{error.message}: {error.found}".split())[:300]
        return (self._found, "") if self._found.present else (None, "no pod")

    def _drop_stale(self) -> None:
        """A server whose pod is no longer Ready would only be waited for."""
        found = self._found
        if found is not None and found.present:
            ready = {pod.uid for pod in self.pods() if pod.ready}
            if found.pod.uid not in ready:
                found.close()
                self._found = None

    @property
    def answers(self) -> bool:
        """Whether it still serves: as a primary by SQL, or where nobody can ask, by a Ready pod."""
        server, _ = self.server() if self.pods() else (None, "")
        if server is not None and server.present:
            return not server.facts.in_recovery
        return any(pod.ready for pod in self.pods())

    @property
    def claim_lost(self) -> str:
        """Why its volume can't be worked on, as far as the API knows; empty where it can."""
        if self.target is None:
            return self.weak
        try:
            found = self.cluster.get("persistentvolumeclaims", self.target.claim)
        except ClusterError as error:
            return f"its claim {self.target.claim} can't be read: {error.message}"
        return "" if found is not None else f"its claim {self.target.claim} is gone"

    @property
    def state(self) -> Cell:
        """Replicas and pods in one line."""
        pods = [f"{pod.name}: {self.trouble(pod) or 'Ready'}" for pod in self.pods()]
        running = Cell("; ".join(pods), "warn" if any(map(self.trouble, self.pods())) else "good")
        return running if pods else Cell(f"no pod, scaled to {self.again().replicas}", "dim")

    @property
    def volume(self) -> str:
        """The claim of its data, or why there is none to be fenced."""
        return f"claim {self.target.claim}" if self.target else self.weak


def old_primary(
    cluster: Cluster,
    name: str,
    *,
    container: str = "",
    user: str = "postgres",
    password: str = "",
    data_directory: str = "",
    likely_directory: str = "",
) -> OldPrimary:
    """The workload of that name. Raises NotFound, and ParameterError for what pgnb can't scale.

    `likely_directory` is taken where nothing names its data directory and no container can be asked: its own
    image may be what is broken.
    """
    workload = find_workload(cluster, name)
    if workload is None:
        raise NotFound(
            f"there is no Deployment or StatefulSet {name}",
            remedy="Name what runs the old primary: kubectl get deployments,statefulsets. Where it was"
            " deleted, apply its manifest again with replicas: 0, so that its volume can be fenced, and run"
            " this again. An operator's server is failed over by its operator.",
        )
    _assert_single(workload)
    pod = template_pod(workload, container)
    assert_nobody_in_charge(cluster, pod)
    asked = any(p.started_at and not p.deleting for p in cluster.pods(workload.selector, pod.container))
    if not data_directory and not asked and not data_directory_named(pod):
        data_directory = likely_directory
    target, weak = _target(cluster, name, container, data_directory)
    return OldPrimary(
        cluster,
        workload,
        pod.container,
        target,
        weak,
        lambda: find_server(cluster, workload.selector, container=container, user=user, password=password),
    )


def _assert_single(workload: Workload) -> None:
    if workload.replicas > 1:
        raise ParameterError(
            f"{workload.label} runs several servers; which of them is the primary can't be scaled away alone",
            found=f"{workload.replicas} replicas",
            remedy="Each server needs a workload of its own, or an operator that knows its members.",
        )


def _target(cluster: Cluster, name: str, container: str, directory: str) -> tuple[Target | None, str]:
    try:
        return find_target(cluster, name, container=container, data_directory=directory), ""
    except (ParameterError, PodError, ExecFailed, DeadlineExceeded) as error:
        return None, f"{error.message} ({error.found})"
