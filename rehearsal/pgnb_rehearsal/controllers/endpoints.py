"""Endpoints and EndpointSlices: where a Service leads (pkg/controller/endpoint and endpointslice)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.store import Event
from pgnb_rehearsal.controllers.base import Controller, owner_reference
from pgnb_rehearsal.controllers.clock import now
from pgnb_rehearsal.controllers.pods import ENDED, is_ready, phase
from pgnb_rehearsal.controllers.queue import Key

_TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
_MANAGED_ENDPOINTS = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
_SLICE_MANAGER = "endpointslice.kubernetes.io/managed-by"
_SLICE_SERVICE = "kubernetes.io/service-name"
_HEADLESS = {"service.kubernetes.io/headless": ""}


class _Port(NamedTuple):
    name: str
    number: int
    protocol: str


class EndpointsController(Controller):
    """Keeps one Endpoints object and one EndpointSlice for each Service that has a selector."""

    resource = "services"
    watches = ("pods",)

    def related(self, plural: str, event: Event) -> Iterable[Key]:
        """Services of the pod's namespace whose selector matches it now, or did before."""
        namespace = event.object["metadata"]["namespace"]
        states = [obj["metadata"].get("labels") or {} for obj in (event.object, event.old) if obj]
        for service in self.store.list("services", namespace):
            selector = (service["spec"].get("selector") or {}).items()
            if selector and any(selector <= labels.items() for labels in states):
                yield Key(namespace, service["metadata"]["name"])

    def reconcile(self, key: Key) -> float | None:
        service = self.store.find("services", *key)
        if service is None:
            self.store.remove("endpoints", *key)
            return None
        if not service["spec"].get("selector"):
            return None
        pods = [pod for pod in self._selected(service) if pod["status"].get("podIP")]
        self._write_endpoints(service, pods)
        self._write_slice(service, pods)
        return None

    def _selected(self, service: Object) -> list[Object]:
        pods = self.store.list("pods", service["metadata"]["namespace"], labels=service["spec"]["selector"])
        return [pod for pod in pods if phase(pod) not in ENDED]

    def _write_endpoints(self, service: Object, pods: list[Object]) -> None:
        metadata = service["metadata"]
        desired: Object = {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "labels": _labels(service) | _MANAGED_ENDPOINTS,
            },
        }
        subsets = _subsets(service, pods)
        if subsets:
            desired["subsets"] = subsets
        present = self.store.find("endpoints", metadata["namespace"], metadata["name"])
        self._put("endpoints", desired, present, ("subsets",))

    def _write_slice(self, service: Object, pods: list[Object]) -> None:
        metadata = service["metadata"]
        labels = {_SLICE_MANAGER: "endpointslice-controller.k8s.io", _SLICE_SERVICE: metadata["name"]}
        desired: Object = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "generateName": f"{metadata['name']}-",
                "namespace": metadata["namespace"],
                "labels": _labels(service) | labels,
                "ownerReferences": [owner_reference(service | {"apiVersion": "v1", "kind": "Service"})],
            },
            "addressType": "IPv4",
            "endpoints": [_endpoint(service, pod) for pod in pods],
            "ports": [_slice_port(port) for port in _slice_ports(service, pods)],
        }
        slices = self.store.list("endpointslices", metadata["namespace"], labels=labels)
        self._put("endpointslices", desired, slices[0] if slices else None, ("endpoints", "ports"))

    def _put(self, plural: str, desired: Object, present: Object | None, fields: tuple[str, ...]) -> None:
        """Creates or updates; the trigger time changes only when what clients read does."""
        labels = desired["metadata"]["labels"]
        if present is not None:
            same = all(present.get(field) == desired.get(field) for field in fields)
            if same and present["metadata"].get("labels") == labels:
                return
        desired["metadata"]["annotations"] = {_TRIGGER: now()}
        if present is None:
            self.store.create(plural, desired)
        else:
            desired["metadata"]["name"] = present["metadata"]["name"]
            self.store.update(plural, desired)


def _labels(service: Object) -> dict[str, str]:
    headless = _HEADLESS if service["spec"].get("clusterIP") == "None" else {}
    return dict(service["metadata"].get("labels") or {}) | headless


def _counts_as_ready(service: Object, pod: Object) -> bool:
    if service["spec"].get("publishNotReadyAddresses"):
        return True
    return is_ready(pod) and "deletionTimestamp" not in pod["metadata"]


def _ports(service: Object, pod: Object) -> tuple[_Port, ...]:
    """The Service's ports as numbers of this pod; a name that the pod does not have is left out."""
    found = []
    for port in service["spec"].get("ports") or ():
        number = _target(port, pod)
        if number is not None:
            found.append(_Port(port.get("name", ""), number, port.get("protocol", "TCP")))
    return tuple(found)


def _target(port: Object, pod: Object) -> int | None:
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for entry in container.get("ports") or ():
            if entry.get("name") == target:
                return int(entry["containerPort"])
    return None


def _subsets(service: Object, pods: list[Object]) -> list[Object]:
    """Pods that lead to the same ports are one subset; pods that are on their way out are left out."""
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    groups: dict[tuple[_Port, ...], Object] = {}
    for pod in pods:
        if "deletionTimestamp" in pod["metadata"] and not published:
            continue
        subset = groups.setdefault(_ports(service, pod), {})
        field = "addresses" if _counts_as_ready(service, pod) else "notReadyAddresses"
        subset.setdefault(field, []).append(_address(service, pod))
    return [subset | {"ports": [_endpoint_port(p) for p in ports]} for ports, subset in groups.items()]


def _address(service: Object, pod: Object) -> Object:
    address: Object = {"ip": pod["status"]["podIP"]}
    hostname = _hostname(service, pod)
    if hostname:
        address["hostname"] = hostname
    return address | {"nodeName": pod["spec"]["nodeName"], "targetRef": _reference(pod)}


def _hostname(service: Object, pod: Object) -> str:
    """The pod's name below the Service's, when it asks for one (StatefulSet pods do)."""
    spec = pod["spec"]
    return str(spec.get("hostname", "")) if spec.get("subdomain") == service["metadata"]["name"] else ""


def _reference(pod: Object) -> Object:
    metadata = pod["metadata"]
    names = {"namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}
    return {"kind": "Pod"} | names


def _endpoint_port(port: _Port) -> Object:
    named = {"name": port.name} if port.name else {}
    return named | {"port": port.number, "protocol": port.protocol}


def _slice_ports(service: Object, pods: list[Object]) -> tuple[_Port, ...]:
    for pod in pods:
        return _ports(service, pod)
    return ()


def _slice_port(port: _Port) -> Object:
    return {"name": port.name, "protocol": port.protocol, "port": port.number}


def _endpoint(service: Object, pod: Object) -> Object:
    serving, terminating = is_ready(pod), "deletionTimestamp" in pod["metadata"]
    endpoint: dict[str, Any] = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": _counts_as_ready(service, pod),
            "serving": serving,
            "terminating": terminating,
        },
    }
    hostname = _hostname(service, pod)
    if hostname:
        endpoint["hostname"] = hostname
    return endpoint | {"targetRef": _reference(pod), "nodeName": pod["spec"]["nodeName"]}
