"""What a cluster has before anybody uses it: the first namespaces, and the roles that Kubernetes ships.

Kubernetes, "Using RBAC Authorization: Default roles and role bindings".
"""

from __future__ import annotations

from typing import Any

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.resources import RBAC
from pgnb_rehearsal.api.store import Store

_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]
_OPEN_PATHS = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
_DISCOVERY_PATHS = ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*"]
_DISCOVERY_PATHS += ["/readyz", "/version", "/version/"]
_WORKLOADS = ["deployments", "deployments/scale", "replicasets", "replicasets/scale", "statefulsets"]
_WORKLOADS += ["statefulsets/scale"]
_CORE = ["configmaps", "endpoints", "events", "persistentvolumeclaims", "pods", "serviceaccounts", "services"]
_POD_STREAMS = ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "services/proxy"]
_POD_STATES = ["namespaces/status", "persistentvolumeclaims/status", "pods/log", "pods/status"]


def bootstrap(store: Store) -> None:
    """Creates the namespaces, cluster roles and bindings that are not there yet."""
    for name in ("default", "kube-node-lease", "kube-public", "kube-system"):
        _ensure(store, "namespaces", {"metadata": {"name": name}})
    for name, rules in _roles().items():
        _ensure(store, "clusterroles", {"metadata": _metadata(name), "rules": rules})
    for name, groups in _GROUPS.items():
        _ensure(store, "clusterrolebindings", _binding(name, groups))


_GROUPS = {
    "cluster-admin": ["system:masters"],
    "system:basic-user": ["system:authenticated"],
    "system:discovery": ["system:authenticated"],
    "system:public-info-viewer": ["system:authenticated", "system:unauthenticated"],
    "system:service-account-issuer-discovery": ["system:serviceaccounts"],
}


def _ensure(store: Store, plural: str, obj: Object) -> None:
    if store.find(plural, None, obj["metadata"]["name"]) is None:
        store.create(plural, obj)


def _metadata(name: str) -> Object:
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    annotations = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
    return {"name": name, "labels": labels, "annotations": annotations}


def _binding(name: str, groups: list[str]) -> Object:
    return {
        "metadata": _metadata(name),
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": group} for group in groups],
    }


def _rule(groups: list[str], resources: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": groups, "resources": resources, "verbs": verbs}


def _paths(paths: list[str]) -> dict[str, Any]:
    return {"nonResourceURLs": paths, "verbs": ["get"]}


def _roles() -> dict[str, list[dict[str, Any]]]:
    view, edit = _view_rules(), _edit_rules()
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    keys = ["/.well-known/openid-configuration", "/.well-known/openid-configuration/"]
    keys += ["/openid/v1/jwks", "/openid/v1/jwks/"]
    return {
        "admin": [*edit, *view, *_admin_rules()],
        "cluster-admin": [everything, {"nonResourceURLs": ["*"], "verbs": ["*"]}],
        "edit": [*edit, *view],
        "system:basic-user": [
            _rule(["authorization.k8s.io"], reviews, ["create"]),
            _rule(["authentication.k8s.io"], ["selfsubjectreviews"], ["create"]),
        ],
        "system:discovery": [_paths(_DISCOVERY_PATHS)],
        "system:public-info-viewer": [_paths(_OPEN_PATHS)],
        "system:service-account-issuer-discovery": [_paths(keys)],
        "view": view,
    }


def _view_rules() -> list[dict[str, Any]]:
    """Everything in a namespace but secrets, roles and bindings."""
    return [
        _rule([""], [*_CORE, *_POD_STATES, "namespaces"], _READ),
        _rule([""], ["limitranges", "resourcequotas", "resourcequotas/status"], _READ),
        _rule(["apps"], ["controllerrevisions", *_WORKLOADS], _READ),
        _rule(["batch"], ["cronjobs", "cronjobs/status", "jobs", "jobs/status"], _READ),
        _rule(["discovery.k8s.io"], ["endpointslices"], _READ),
    ]


def _edit_rules() -> list[dict[str, Any]]:
    """Writing, secrets, and the ways into pods; no roles."""
    return [
        _rule([""], [*_POD_STREAMS, "secrets"], _READ),
        _rule([""], ["serviceaccounts"], ["impersonate"]),
        _rule([""], [*_CORE, *_POD_STREAMS, "secrets"], _WRITE),
        _rule([""], ["serviceaccounts/token"], ["create"]),
        _rule(["apps"], _WORKLOADS, _WRITE),
        _rule(["batch"], ["cronjobs", "jobs"], _WRITE),
        _rule(["coordination.k8s.io"], ["leases"], [*_READ, *_WRITE]),
    ]


def _admin_rules() -> list[dict[str, Any]]:
    """Rights on the namespace's own roles and bindings."""
    return [
        _rule(["authorization.k8s.io"], ["localsubjectaccessreviews"], ["create"]),
        _rule([RBAC], ["rolebindings", "roles"], [*_READ, *_WRITE]),
    ]
