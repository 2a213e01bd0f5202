"""What runs a pod: its Deployment or StatefulSet, how it replaces pods, and where the data lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pgnb.cluster.client import Api, Object
from pgnb.cluster.objects import get
from pgnb.cluster.pods import Mount, Pod
from pgnb.cluster.resources import resource
from pgnb.core.display import Table, key_value_table
from pgnb.core.errors import NotFound, PodError

SCALED = ("Deployment", "StatefulSet")
_TOOLS: Mapping[str, str] = {
    "argocd.argoproj.io/": "Argo CD",
    "kustomize.toolkit.fluxcd.io/": "Flux",
    "helm.toolkit.fluxcd.io/": "Flux",
    "meta.helm.sh/": "Helm",
    "cnpg.io/": "CloudNativePG",
    "postgres-operator.crunchydata.com/": "Crunchy PGO",
    "fleet.cattle.io/": "Rancher Fleet",
}
_MANAGED_BY = "app.kubernetes.io/managed-by"


@dataclass(frozen=True)
class Volume:
    """Where a path of a server lies. `source` is the volume's kind, `claim` its PersistentVolumeClaim."""

    path: str
    mount: str
    source: str
    claim: str = ""
    access_modes: tuple[str, ...] = ()
    storage_class: str = ""
    size: str = ""
    sub_path: str = ""
    persistent: bool = False
    """Whether data there outlives the pod."""

    def __str__(self) -> str:
        if not self.claim:
            where = self.source or "the image layer"
            moves = self.source == "hostPath" and not self.persistent
            return (
                f"{where} at {self.mount or self.path}{', on whichever node the pod runs' if moves else ''}"
            )
        return f"claim {self.claim} ({self.size}, {', '.join(self.access_modes)}) at {self.mount}"


@dataclass(frozen=True)
class Workload:
    """A Deployment, a StatefulSet, or another owner that pgnb does not scale (then `scalable` is False)."""

    kind: str
    name: str
    replicas: int
    strategy: str
    """Recreate or RollingUpdate of a Deployment, RollingUpdate or OnDelete of a StatefulSet."""
    selector: str
    managed_by: tuple[str, ...]
    """Tools that may undo a change: GitOps, an operator, a chart."""
    object: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, found: Object) -> Workload:
        """Return the workload of a Deployment's or StatefulSet's JSON."""
        spec = found["spec"]
        rollout = spec.get("strategy" if found["kind"] == "Deployment" else "updateStrategy") or {}
        labels = (spec.get("selector") or {}).get("matchLabels") or {}
        return cls(
            found["kind"],
            found["metadata"]["name"],
            int(spec.get("replicas", 1)),
            rollout.get("type", "RollingUpdate"),
            ",".join(f"{k}={v}" for k, v in labels.items()),
            managers(found["metadata"]),
            found,
        )

    @property
    def scalable(self) -> bool:
        """Whether pgnb can scale it and roll it out."""
        return self.kind in SCALED

    @property
    def plural(self) -> str:
        """Its resource in the API."""
        return resource(self.kind).plural

    @property
    def label(self) -> str:
        """Its name in texts: `deployment/NAME`."""
        return f"{self.kind.lower()}/{self.name}"

    @property
    def table(self) -> Table:
        """One fact a line."""
        facts = {
            "replicas": self.replicas,
            "update strategy": self.strategy or "–",
            "selector": self.selector or "–",
            "managed by": ", ".join(self.managed_by) or "nobody known",
        }
        return key_value_table(self.label, facts)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def __str__(self) -> str:
        return str(self.table)


def workload_of(api: Api, pod: Pod) -> Workload:
    """Return what runs the pod, found by its chain of owners."""
    kind, name = pod.owner
    if kind == "ReplicaSet":
        replica_set = get(api, "replicasets", name)
        owners = (replica_set or {}).get("metadata", {}).get("ownerReferences") or []
        kind, name = next(((o["kind"], o["name"]) for o in owners if o.get("controller")), (kind, name))
    if kind in SCALED:
        return read_workload(api, kind, name)
    return Workload(
        kind or "Pod", name or pod.name, 1, "", "", managers(pod.object["metadata"], kind), pod.object
    )


def read_workload(api: Api, kind: str, name: str) -> Workload:
    """Return a Deployment or StatefulSet by its name. Raises NotFound."""
    found = get(api, kind, name)
    if found is None:
        raise NotFound(f"there is no {kind} {name} in the namespace {api.namespace}")
    return Workload.of(found)


def managers(meta: Mapping[str, Any], owner_kind: str = "") -> tuple[str, ...]:
    """Return the tools whose marks are in the metadata, and an owner that is not Kubernetes' own."""
    marks = {**(meta.get("labels") or {}), **(meta.get("annotations") or {})}
    tools = {tool for prefix, tool in _TOOLS.items() if any(mark.startswith(prefix) for mark in marks)}
    named = marks.get(_MANAGED_BY)
    owners = {o["kind"] for o in meta.get("ownerReferences") or [] if o.get("controller")} - {"ReplicaSet"}
    foreign = (owners | ({owner_kind} if owner_kind else set())) - {*SCALED, "Job", "ReplicaSet"}
    return tuple(sorted(tools | foreign | ({named} if named else set())))


def volume_of(api: Api, pod: Pod, path: str) -> Volume:
    """Return where `path` of the pod's container lies, with the claim's size and access modes."""
    mount = pod.mount_of(path)
    if mount is None:
        return Volume(path, "", "")
    if mount.claim:
        return _claimed(api, path, mount)
    return Volume(path, mount.path, mount.source, persistent=mount.persistent)


def _claimed(api: Api, path: str, mount: Mount) -> Volume:
    claim = get(api, "persistentvolumeclaims", mount.claim)
    if claim is None:
        raise PodError(f"the claim {mount.claim} of the volume at {mount.path} does not exist")
    spec, status = claim["spec"], claim.get("status") or {}
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "")
    return Volume(
        path,
        mount.path,
        mount.source,
        mount.claim,
        tuple(spec.get("accessModes") or ()),
        spec.get("storageClassName") or "",
        (status.get("capacity") or {}).get("storage", asked),
        mount.sub_path,
        persistent=True,
    )
