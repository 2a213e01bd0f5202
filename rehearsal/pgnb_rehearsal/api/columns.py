"""The columns of each kind's table: name, whether only `-o wide` shows it, and how a cell is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pgnb_rehearsal.api import kindcells, podcells
from pgnb_rehearsal.api.cells import (
    NONE,
    age,
    containers,
    labels_text,
    modes,
    selector_text,
)
from pgnb_rehearsal.api.objects import Object, lookup


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


def _job_of(cron_job: Object) -> Object:
    return lookup(cron_job, "spec", "jobTemplate") or {}


_NAME = Column("Name", _at("metadata", "name"))
_AGE = Column("Age", age)
_CREATED = Column("Created At", _at("metadata", "creationTimestamp"))
_CONTAINERS = (Column("Containers", _names, 1), Column("Images", _image, 1))
_SELECTOR = Column("Selector", _selector, 1)
_UNSET_CLASS = Column("VolumeAttributesClass", _at("spec", "volumeAttributesClassName", default="<unset>"))

DEFAULT_COLUMNS = (_NAME, _AGE)


_BINDING = (
    _NAME,
    Column("Role", kindcells.role),
    _AGE,
    Column("Users", kindcells.subjects("User"), 1),
    Column("Groups", kindcells.subjects("Group"), 1),
    Column("ServiceAccounts", kindcells.subjects("ServiceAccount"), 1),
)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "clusterrolebindings": _BINDING,
    "clusterroles": (_NAME, _CREATED),
    "configmaps": (_NAME, Column("Data", kindcells.data_count), _AGE),
    "controllerrevisions": (
        _NAME,
        Column("Controller", kindcells.revision_owner),
        Column("Revision", _at("revision")),
        _AGE,
    ),
    "cronjobs": (
        _NAME,
        Column("Schedule", _at("spec", "schedule")),
        Column("Timezone", _at("spec", "timeZone", default=NONE)),
        Column("Suspend", kindcells.cron_job_suspended),
        Column("Active", lambda obj: len(lookup(obj, "status", "active") or ())),
        Column("Last Schedule", kindcells.cron_job_last),
        _AGE,
        Column("Containers", lambda obj: containers(_job_of(obj), "name"), 1),
        Column("Images", lambda obj: containers(_job_of(obj), "image"), 1),
        Column("Selector", lambda obj: selector_text(lookup(_job_of(obj), "spec", "selector")), 1),
    ),
    "deployments": (
        _NAME,
        Column("Ready", kindcells.ready_of_desired),
        Column("Up-to-date", _at("status", "updatedReplicas", default=0)),
        Column("Available", _at("status", "availableReplicas", default=0)),
        _AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    "endpoints": (_NAME, Column("Endpoints", kindcells.endpoint_addresses), _AGE),
    "endpointslices": (
        _NAME,
        Column("AddressType", _at("addressType")),
        Column("Ports", kindcells.slice_ports),
        Column("Endpoints", kindcells.slice_addresses),
        _AGE,
    ),
    "events": (
        Column("Last Seen", kindcells.event_last),
        Column("Type", _at("type")),
        Column("Reason", _at("reason")),
        Column("Object", kindcells.event_object),
        Column("Subobject", _at("involvedObject", "fieldPath"), 1),
        Column("Source", kindcells.event_source, 1),
        Column("Message", lambda obj: (obj.get("message") or "").strip()),
        Column("First Seen", kindcells.event_first, 1),
        Column("Count", kindcells.event_count, 1),
        Column("Name", _at("metadata", "name"), 1),
    ),
    "jobs": (
        _NAME,
        Column("Status", kindcells.job_status),
        Column("Completions", kindcells.job_completions),
        Column("Duration", kindcells.job_duration),
        _AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    "leases": (_NAME, Column("Holder", _at("spec", "holderIdentity")), _AGE),
    "limitranges": (_NAME, _CREATED),
    "namespaces": (_NAME, Column("Status", _at("status", "phase")), _AGE),
    "nodes": (
        _NAME,
        Column("Status", kindcells.node_status),
        Column("Roles", kindcells.node_roles),
        _AGE,
        Column("Version", _at("status", "nodeInfo", "kubeletVersion")),
        Column("Internal-IP", kindcells.node_address("InternalIP"), 1),
        Column("External-IP", kindcells.node_address("ExternalIP"), 1),
        Column("OS-Image", _at("status", "nodeInfo", "osImage", default="<unknown>"), 1),
        Column("Kernel-Version", _at("status", "nodeInfo", "kernelVersion", default="<unknown>"), 1),
        Column("Container-Runtime", _at("status", "nodeInfo", "containerRuntimeVersion"), 1),
    ),
    "persistentvolumeclaims": (
        _NAME,
        Column("Status", kindcells.claim_status),
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
        Column("Status", kindcells.claim_status),
        Column("Claim", kindcells.claim_of_volume),
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
    "resourcequotas": (
        _NAME,
        Column("Request", kindcells.quota_requests),
        Column("Limit", kindcells.quota_limits),
        _AGE,
    ),
    "rolebindings": _BINDING,
    "roles": (_NAME, _CREATED),
    "secrets": (_NAME, Column("Type", _at("type")), Column("Data", kindcells.data_count), _AGE),
    "serviceaccounts": (_NAME, Column("Secrets", lambda obj: len(obj.get("secrets") or ())), _AGE),
    "services": (
        _NAME,
        Column("Type", _at("spec", "type")),
        Column("Cluster-IP", _at("spec", "clusterIP", default=NONE)),
        Column("External-IP", kindcells.external_ip),
        Column("Port(s)", kindcells.service_ports),
        _AGE,
        Column("Selector", lambda obj: labels_text(lookup(obj, "spec", "selector")), 1),
    ),
    "statefulsets": (_NAME, Column("Ready", kindcells.ready_of_desired), _AGE, *_CONTAINERS),
    "storageclasses": (
        _NAME,
        Column("Provisioner", _at("provisioner")),
        Column("ReclaimPolicy", _at("reclaimPolicy")),
        Column("VolumeBindingMode", _at("volumeBindingMode")),
        Column("AllowVolumeExpansion", lambda obj: str(bool(obj.get("allowVolumeExpansion"))).lower()),
        _AGE,
    ),
}
