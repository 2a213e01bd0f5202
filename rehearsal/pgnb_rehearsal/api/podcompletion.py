"""What the server adds to a new pod: its service account and token, tolerations, priority, QoS class."""

from __future__ import annotations

import random
from typing import Any

from pgnb_rehearsal.api.objects import Object, Reader, lookup
from pgnb_rehearsal.api.resources import BY_PLURAL
from pgnb_rehearsal.api.status import forbidden

_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a directory
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_TOKEN_SECONDS = 3607
_TOLERATED_SECONDS = 300
_COMPUTE = ("cpu", "memory")


def complete_pod(store: Reader, new: Object) -> None:
    """Completes a new pod in place; StatusError 403 when its service account is not there."""
    spec = new["spec"]
    _admit_account(store, new, spec)
    _tolerate_lost_nodes(spec)
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    new["status"] = {**(new.get("status") or {}), "qosClass": qos_class(spec)}


def _admit_account(store: Reader, new: Object, spec: Object) -> None:
    namespace = new["metadata"]["namespace"]
    named = spec.get("serviceAccountName")
    name = named or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    account = store.find("serviceaccounts", namespace, name)
    if account is None and named:
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise forbidden(BY_PLURAL["pods"], new["metadata"].get("name", ""), why)
    if account is not None and _mounts_token(spec, account):
        _mount_token(spec)


def _mounts_token(spec: Object, account: Object) -> bool:
    desired = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken"))
    return desired is not False


def _mount_token(spec: Object) -> None:
    name = "kube-api-access-" + "".join(random.choices(_SUFFIX_LETTERS, k=5))
    without = [c for c in _containers(spec) if not _has_token(c)]
    if not without:
        return
    spec.setdefault("volumes", []).append({"name": name, "projected": _token_sources()})
    for container in without:
        mount = {"name": name, "readOnly": True, "mountPath": _TOKEN_PATH}
        container.setdefault("volumeMounts", []).append(mount)


def _containers(spec: Object) -> list[Object]:
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _has_token(container: Object) -> bool:
    mounts = container.get("volumeMounts") or ()
    return any(mount.get("mountPath") == _TOKEN_PATH for mount in mounts)


def _token_sources() -> dict[str, Any]:
    reference = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": reference}]}},
        ],
        "defaultMode": 0o644,
    }


def _tolerate_lost_nodes(spec: Object) -> None:
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(
            t.get("key") in (key, None) and t.get("effect") in ("NoExecute", None) for t in tolerations
        ):
            tolerations.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": _TOLERATED_SECONDS,
                }
            )


def qos_class(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort, from the requests and limits of all containers."""
    asked = [_compute(container) for container in _containers(spec)]
    if not any(requests or limits for requests, limits in asked):
        return "BestEffort"
    if all(len(limits) == len(_COMPUTE) and requests == limits for requests, limits in asked):
        return "Guaranteed"
    return "Burstable"


def _compute(container: Object) -> tuple[Object, Object]:
    requests = lookup(container, "resources", "requests") or {}
    limits = lookup(container, "resources", "limits") or {}
    return {k: requests[k] for k in _COMPUTE if k in requests}, {
        k: limits[k] for k in _COMPUTE if k in limits
    }
