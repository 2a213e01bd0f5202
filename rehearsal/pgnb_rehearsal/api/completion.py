"""What the server adds to an object beyond its defaults: addresses, selectors, tokens, protections.

The registries' strategies and the admission plugins of kube-apiserver (ServiceAccount, DefaultStorageClass,
Priority, DefaultTolerationSeconds, StorageObjectInUseProtection).
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable

from pgnb_rehearsal.api.objects import Object, Reader, lookup
from pgnb_rehearsal.api.podcompletion import complete_pod
from pgnb_rehearsal.api.resources import BY_PLURAL, Resource
from pgnb_rehearsal.api.status import invalid, invalid_value

SERVICE_NETWORK = ipaddress.ip_network("10.96.0.0/16")
"""ClusterIPs; the first ones are left out, where real clusters have their API and their DNS."""

_FIRST_SERVICE, _LAST_SERVICE = 256, 65534
_NODE_PORTS = range(30000, 32768)
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_CLAIM_PROTECTION = "kubernetes.io/pvc-protection"
_VOLUME_PROTECTION = "kubernetes.io/pv-protection"


def complete(store: Reader, resource: Resource, new: Object) -> None:
    """Completes a new object in place; StatusError 403, 422."""
    completer = _COMPLETERS.get(resource.plural)
    if completer is not None:
        completer(store, new)


def keep_allocated(store: Reader, resource: Resource, old: Object, new: Object, subresource: str) -> None:
    """Puts back into an updated object what the server allocated and the client left out."""
    if resource.plural == "services":
        _keep_service(store, old, new)
    elif resource.plural == "namespaces" and subresource != "finalize" and "spec" in old:
        new["spec"] = old["spec"]
    elif resource.plural == "persistentvolumeclaims":
        for key in ("storageClassName", "volumeName"):
            if key in old["spec"]:
                new["spec"].setdefault(key, old["spec"][key])


# -- services --------------------------------------------------------------------------------------------


def _complete_service(store: Reader, new: Object) -> None:
    spec = new["spec"]
    if spec["type"] == "ExternalName":
        return
    taken = {lookup(service, "spec", "clusterIP") for service in store.select("services")}
    desired = spec.get("clusterIP") or ""
    if desired not in ("", "None"):
        _check_address(new, desired, taken)
    spec["clusterIP"] = desired or _free_address(taken)
    spec["clusterIPs"] = [spec["clusterIP"]]
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    _allocate_node_ports(store, spec)


def _check_address(new: Object, desired: str, taken: set[str | None]) -> None:
    shown = f'["{desired}"]'
    try:
        inside = ipaddress.ip_address(desired) in SERVICE_NETWORK
    except ValueError:
        inside = False
    why = "provided IP is already allocated" if desired in taken else ""
    if not inside:
        why = f"failed to allocate IP {desired}: the provided IP ({desired}) is not in the valid range"
        why += f". The range of valid IPs is {SERVICE_NETWORK}"
    if why:
        error = invalid_value("spec.clusterIPs", shown, why)
        raise invalid(BY_PLURAL["services"], new["metadata"].get("name", ""), [error])


def _free_address(taken: set[str | None]) -> str:
    while True:
        address = str(SERVICE_NETWORK[random.randint(_FIRST_SERVICE, _LAST_SERVICE)])
        if address not in taken:
            return address


def _allocate_node_ports(store: Reader, spec: Object) -> None:
    if spec["type"] not in ("NodePort", "LoadBalancer"):
        return
    services = (service["spec"].get("ports") or () for service in store.select("services"))
    taken = {port.get("nodePort") for ports in services for port in ports}
    free = (port for port in _NODE_PORTS if port not in taken)
    for port in spec.get("ports") or ():
        if not port.get("nodePort"):
            port["nodePort"] = next(free)


def _keep_service(store: Reader, old: Object, new: Object) -> None:
    before, spec = old["spec"], new["spec"]
    if spec["type"] == "ExternalName":
        return
    for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if before.get(key):
            spec.setdefault(key, before[key])
    if not spec.get("clusterIP"):
        _complete_service(store, new)
    elif spec["clusterIP"] != before.get("clusterIP") and spec.get("clusterIPs") == before.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    _allocate_node_ports(store, spec)


# -- the rest --------------------------------------------------------------------------------------------


def _complete_job(_store: Reader, new: Object) -> None:
    """The selector and the labels that tie a Job's pods to it, unless it selects by itself."""
    spec, metadata = new["spec"], new["metadata"]
    spec.setdefault("manualSelector", False)
    if spec["manualSelector"]:
        return
    uid, name = metadata["uid"], metadata.get("name", "")
    labels = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    template = spec["template"].setdefault("metadata", {})
    template["labels"] = {**(template.get("labels") or {}), **labels}
    if not metadata.get("labels"):
        metadata["labels"] = dict(template["labels"])
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}


def _complete_claim(store: Reader, new: Object) -> None:
    _protect(new, _CLAIM_PROTECTION)
    if "storageClassName" in new["spec"]:
        return
    for storage_class in store.select("storageclasses"):
        annotations = storage_class["metadata"].get("annotations") or {}
        if annotations.get(_DEFAULT_CLASS) == "true":
            new["spec"]["storageClassName"] = storage_class["metadata"]["name"]


def _complete_volume(_store: Reader, new: Object) -> None:
    _protect(new, _VOLUME_PROTECTION)


def _protect(new: Object, finalizer: str) -> None:
    finalizers = new["metadata"].setdefault("finalizers", [])
    if finalizer not in finalizers:
        finalizers.append(finalizer)


def _complete_namespace(_store: Reader, new: Object) -> None:
    new.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])


_COMPLETERS: dict[str, Callable[[Reader, Object], None]] = {
    "jobs": _complete_job,
    "namespaces": _complete_namespace,
    "persistentvolumeclaims": _complete_claim,
    "persistentvolumes": _complete_volume,
    "pods": complete_pod,
    "services": _complete_service,
}
