"""Kinds of objects, and their paths in the API."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from pgnb.core.errors import ParameterError


@dataclass(frozen=True)
class Resource:
    """One kind: `plural` in paths, `kind` in manifests, `group_version` as in apiVersion."""

    plural: str
    kind: str
    group_version: str = "v1"
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.group_version.rpartition("/")[0]

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """Return the path of the collection, of one object, or of its subresource."""
        root = f"/apis/{self.group_version}" if self.group else f"/api/{self.group_version}"
        inside = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced else ""
        tail = "".join(f"/{quote(part, safe='')}" for part in (name, subresource) if part)
        return f"{root}{inside}/{self.plural}{tail}"

    def label(self, name: str) -> str:
        """Return the name of an object of this kind in texts, as kubectl: `configmap/NAME`."""
        return f"{self.kind.lower()}/{name}"


KNOWN: tuple[Resource, ...] = (
    Resource("pods", "Pod"),
    Resource("configmaps", "ConfigMap"),
    Resource("secrets", "Secret"),
    Resource("services", "Service"),
    Resource("endpoints", "Endpoints"),
    Resource("events", "Event"),
    Resource("serviceaccounts", "ServiceAccount"),
    Resource("persistentvolumeclaims", "PersistentVolumeClaim"),
    Resource("persistentvolumes", "PersistentVolume", namespaced=False),
    Resource("resourcequotas", "ResourceQuota"),
    Resource("namespaces", "Namespace", namespaced=False),
    Resource("nodes", "Node", namespaced=False),
    Resource("deployments", "Deployment", "apps/v1"),
    Resource("replicasets", "ReplicaSet", "apps/v1"),
    Resource("statefulsets", "StatefulSet", "apps/v1"),
    Resource("daemonsets", "DaemonSet", "apps/v1"),
    Resource("jobs", "Job", "batch/v1"),
    Resource("cronjobs", "CronJob", "batch/v1"),
    Resource("endpointslices", "EndpointSlice", "discovery.k8s.io/v1"),
    Resource("leases", "Lease", "coordination.k8s.io/v1"),
    Resource("horizontalpodautoscalers", "HorizontalPodAutoscaler", "autoscaling/v2"),
    Resource("scaledobjects", "ScaledObject", "keda.sh/v1alpha1"),
    Resource("networkpolicies", "NetworkPolicy", "networking.k8s.io/v1"),
    Resource("poddisruptionbudgets", "PodDisruptionBudget", "policy/v1"),
    Resource("roles", "Role", "rbac.authorization.k8s.io/v1"),
    Resource("rolebindings", "RoleBinding", "rbac.authorization.k8s.io/v1"),
    Resource("storageclasses", "StorageClass", "storage.k8s.io/v1", namespaced=False),
)
_BY_NAME = {name.lower(): known for known in KNOWN for name in (known.plural, known.kind)}


def resource(name: str) -> Resource:
    """Return the resource of a plural or a kind, in any case. Raises ParameterError for another word."""
    found = _BY_NAME.get(name.lower())
    if found is None:
        raise ParameterError(
            f"no kind of object is called {name!r} here",
            remedy=f"Use one of {', '.join(known.plural for known in KNOWN)}.",
        )
    return found


def known_for(group_version: str, kind: str) -> Resource | None:
    """Return the known resource of a manifest's apiVersion and kind, if any."""
    found = _BY_NAME.get(kind.lower())
    return found if found and found.group_version == group_version else None
