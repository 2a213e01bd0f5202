"""The columns of each kind's table: name, whether only `-o wide` shows it, and how a cell is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pgnb.rehearsal.api import podcells
from pgnb.rehearsal.api.cells import (
    NONE,
    age,
    between,
    containers,
    joined,
    labels_text,
    modes,
    selector_text,
    since,
)
from pgnb.rehearsal.api.objects import Object, lookup


class Column(NamedTuple):
    """`priority` 1: shown with `-o wide` only."""

    name: str
    cell: Callable[[Object], Any]
    priority: int = 0
    description: str = ""


def _at(*path: str, default: Any = "") -> Callable[[Object], Any]:
    def cell(obj: Object) -> Any:
        value = lookup(obj, *path)
        return default if value is None else value

    return cell


def _image(obj: Object) -> str:
    return containers(obj, "image")


def _names(obj: Object) -> str:
    return containers(obj, "name")


def _selector(obj: Object) -> str:
    return selector_text(lookup(obj, "spec", "selector"))


def _ready_of_desired(obj: Object) -> str:
    return f"{lookup(obj, 'status', 'readyReplicas') or 0}/{lookup(obj, 'spec', 'replicas') or 0}"


_NAME = Column("Name", _at("metadata", "name"))
_AGE = Column("Age", age)
_CREATED = Column("Created At", _at("metadata", "creationTimestamp"))
_CONTAINERS = (Column("Containers", _names, 1), Column("Images", _image, 1))
_SELECTOR = Column("Selector", _selector, 1)
_UNSET_CLASS = Column("VolumeAttributesClass", _at("spec", "volumeAttributesClassName", default="<unset>"))

DEFAULT_COLUMNS = (_NAME, _AGE)


def _service_ports(obj: Object) -> str:
    ports = lookup(obj, "spec", "ports") or ()
    parts = [
        f"{port['port']}:{port['nodePort']}/{port['protocol']}" if port.get("nodePort") else _port(port)
        for port in ports
    ]
    return ",".join(parts) or NONE


def _port(port: dict[str, Any]) -> str:
    return f"{port['port']}/{port['protocol']}"


def _external_ip(obj: Object) -> str:
    if lookup(obj, "spec", "type") == "ExternalName":
        return lookup(obj, "spec", "externalName") or NONE
    return ",".join(lookup(obj, "spec", "externalIPs") or ()) or NONE


def _data_count(obj: Object) -> int:
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


def _claim_status(obj: Object) -> str:
    return "Terminating" if "deletionTimestamp" in obj["metadata"] else lookup(obj, "status", "phase") or ""


def _claim_of_volume(obj: Object) -> str:
    reference = lookup(obj, "spec", "claimRef")
    return f"{reference['namespace']}/{reference['name']}" if reference else ""


def _event_source(obj: Object) -> str:
    parts = [
        lookup(obj, "source", "component") or obj.get("reportingComponent"),
        lookup(obj, "source", "host") or obj.get("reportingInstance"),
    ]
    return ", ".join(part for part in parts if part)


def _event_object(obj: Object) -> str:
    involved = obj.get("involvedObject") or {}
    return f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"


def _event_last(obj: Object) -> str:
    return since(
        lookup(obj, "series", "lastObservedTime") or obj.get("lastTimestamp") or obj.get("eventTime")
    )


def _event_first(obj: Object) -> str:
    return since(obj.get("firstTimestamp") or obj.get("eventTime"))


def _event_count(obj: Object) -> Any:
    return lookup(obj, "series", "count") or obj.get("count") or 1


def _job_status(obj: Object) -> str:
    conditions = lookup(obj, "status", "conditions") or ()
    true = [c["type"] for c in conditions if c["status"] == "True"]
    for kind, shown in (("Complete", "Complete"), ("Failed", "Failed")):
        if kind in true:
            return shown
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    for kind in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if kind in true:
            return kind
    return "Running"


def _job_completions(obj: Object) -> str:
    done = lookup(obj, "status", "succeeded") or 0
    wanted = lookup(obj, "spec", "completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = lookup(obj, "spec", "parallelism") or 1
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _job_duration(obj: Object) -> str:
    return between(lookup(obj, "status", "startTime"), lookup(obj, "status", "completionTime"))


def _endpoint_addresses(obj: Object) -> str:
    found = []
    for subset in obj.get("subsets") or ():
        ports = [port["port"] for port in subset.get("ports") or ()]
        for entry in subset.get("addresses") or ():
            found += [f"{entry['ip']}:{port}" for port in ports] or [entry["ip"]]
    return joined(found)


def _slice_ports(obj: Object) -> str:
    return joined([str(port.get("port", "*")) for port in obj.get("ports") or ()]).replace(NONE, "<unset>")


def _slice_addresses(obj: Object) -> str:
    found = [ip for entry in obj.get("endpoints") or () for ip in entry.get("addresses") or ()]
    return joined(found).replace(NONE, "<unset>")


def _node_status(obj: Object) -> str:
    conditions = lookup(obj, "status", "conditions") or ()
    ready = next((c["status"] for c in conditions if c["type"] == "Ready"), "Unknown")
    words = {"True": "Ready", "False": "NotReady"}
    text = words.get(ready, "Unknown")
    return text + (",SchedulingDisabled" if lookup(obj, "spec", "unschedulable") else "")


def _node_roles(obj: Object) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = obj["metadata"].get("labels") or {}
    return ",".join(sorted(key[len(prefix) :] for key in labels if key.startswith(prefix))) or NONE


def _node_address(kind: str) -> Callable[[Object], str]:
    def cell(obj: Object) -> str:
        addresses = lookup(obj, "status", "addresses") or ()
        return next((str(a["address"]) for a in addresses if a["type"] == kind), NONE)

    return cell


def _role(obj: Object) -> str:
    reference = obj.get("roleRef") or {}
    return f"{reference.get('kind', '')}/{reference.get('name', '')}"


def _subjects(kind: str) -> Callable[[Object], str]:
    def cell(obj: Object) -> str:
        found = [s for s in obj.get("subjects") or () if s.get("kind") == kind]
        spaced = [f"{s['namespace']}/{s['name']}" if s.get("namespace") else s["name"] for s in found]
        return ", ".join(spaced)

    return cell


def _revision_owner(obj: Object) -> str:
    owners = obj["metadata"].get("ownerReferences") or ()
    owner = next((o for o in owners if o.get("controller")), None)
    return f"{owner['kind'].lower()}.{owner['apiVersion'].split('/')[0]}/{owner['name']}" if owner else NONE


_BINDING = (
    _NAME,
    Column("Role", _role),
    _AGE,
    Column("Users", _subjects("User"), 1),
    Column("Groups", _subjects("Group"), 1),
    Column("ServiceAccounts", _subjects("ServiceAccount"), 1),
)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "clusterrolebindings": _BINDING,
    "clusterroles": (_NAME, _CREATED),
    "configmaps": (_NAME, Column("Data", _data_count), _AGE),
    "controllerrevisions": (
        _NAME,
        Column("Controller", _revision_owner),
        Column("Revision", _at("revision")),
        _AGE,
    ),
    "deployments": (
        _NAME,
        Column("Ready", _ready_of_desired),
        Column("Up-to-date", _at("status", "updatedReplicas", default=0)),
        Column("Available", _at("status", "availableReplicas", default=0)),
        _AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    "endpoints": (_NAME, Column("Endpoints", _endpoint_addresses), _AGE),
    "endpointslices": (
        _NAME,
        Column("AddressType", _at("addressType")),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_addresses),
        _AGE,
    ),
    "events": (
        Column("Last Seen", _event_last),
        Column("Type", _at("type")),
        Column("Reason", _at("reason")),
        Column("Object", _event_object),
        Column("Subobject", _at("involvedObject", "fieldPath"), 1),
        Column("Source", _event_source, 1),
        Column("Message", lambda obj: (obj.get("message") or "").strip()),
        Column("First Seen", _event_first, 1),
        Column("Count", _event_count, 1),
        Column("Name", _at("metadata", "name"), 1),
    ),
    "jobs": (
        _NAME,
        Column("Status", _job_status),
        Column("Completions", _job_completions),
        Column("Duration", _job_duration),
        _AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    "leases": (_NAME, Column("Holder", _at("spec", "holderIdentity")), _AGE),
    "namespaces": (_NAME, Column("Status", _at("status", "phase")), _AGE),
    "nodes": (
        _NAME,
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        _AGE,
        Column("Version", _at("status", "nodeInfo", "kubeletVersion")),
        Column("Internal-IP", _node_address("InternalIP"), 1),
        Column("External-IP", _node_address("ExternalIP"), 1),
        Column("OS-Image", _at("status", "nodeInfo", "osImage", default="<unknown>"), 1),
        Column("Kernel-Version", _at("status", "nodeInfo", "kernelVersion", default="<unknown>"), 1),
        Column("Container-Runtime", _at("status", "nodeInfo", "containerRuntimeVersion"), 1),
    ),
    "persistentvolumeclaims": (
        _NAME,
        Column("Status", _claim_status),
        Column("Volume", _at("spec", "volumeName")),
        Column("Capacity", _at("status", "capacity", "storage")),
        Column("Access Modes", lambda obj: modes(lookup(obj, "status", "accessModes"))),
        Column("StorageClass", _at("spec", "storageClassName")),
        _UNSET_CLASS,
        _AGE,
        Column("VolumeMode", _at("spec", "volumeMode", default="<unset>"), 1),
    ),
    "persistentvolumes": (
        _NAME,
        Column("Capacity", _at("spec", "capacity", "storage")),
        Column("Access Modes", lambda obj: modes(lookup(obj, "spec", "accessModes"))),
        Column("Reclaim Policy", _at("spec", "persistentVolumeReclaimPolicy")),
        Column("Status", _claim_status),
        Column("Claim", _claim_of_volume),
        Column("StorageClass", _at("spec", "storageClassName")),
        _UNSET_CLASS,
        Column("Reason", _at("status", "reason")),
        _AGE,
        Column("VolumeMode", _at("spec", "volumeMode", default="<unset>"), 1),
    ),
    "pods": (
        _NAME,
        Column("Ready", podcells.ready),
        Column("Status", podcells.status),
        Column("Restarts", podcells.restarts),
        _AGE,
        Column("IP", podcells.address, 1),
        Column("Node", podcells.node, 1),
        Column("Nominated Node", podcells.nominated, 1),
        Column("Readiness Gates", podcells.gates, 1),
    ),
    "replicasets": (
        _NAME,
        Column("Desired", _at("spec", "replicas", default=0)),
        Column("Current", _at("status", "replicas", default=0)),
        Column("Ready", _at("status", "readyReplicas", default=0)),
        _AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    "rolebindings": _BINDING,
    "roles": (_NAME, _CREATED),
    "secrets": (_NAME, Column("Type", _at("type")), Column("Data", _data_count), _AGE),
    "serviceaccounts": (_NAME, Column("Secrets", lambda obj: len(obj.get("secrets") or ())), _AGE),
    "services": (
        _NAME,
        Column("Type", _at("spec", "type")),
        Column("Cluster-IP", _at("spec", "clusterIP", default=NONE)),
        Column("External-IP", _external_ip),
        Column("Port(s)", _service_ports),
        _AGE,
        Column("Selector", lambda obj: labels_text(lookup(obj, "spec", "selector")), 1),
    ),
    "statefulsets": (_NAME, Column("Ready", _ready_of_desired), _AGE, *_CONTAINERS),
    "storageclasses": (
        _NAME,
        Column("Provisioner", _at("provisioner")),
        Column("ReclaimPolicy", _at("reclaimPolicy")),
        Column("VolumeBindingMode", _at("volumeBindingMode")),
        Column("AllowVolumeExpansion", lambda obj: str(bool(obj.get("allowVolumeExpansion"))).lower()),
        _AGE,
    ),
}
