"""The objects of the cluster itself: its node, its storage class, the API server's Service."""

from __future__ import annotations

import os
import platform

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.controllers.claims import storage_class
from pgnb_rehearsal.controllers.clock import now

NODE_ADDRESS = "127.0.0.1"
API_PORT = 6443
"""Where the API server listens on the node's own address, for pods."""
API_CLUSTER_IP = "10.96.0.1"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def create_cluster_objects(
    store: Store, node: str, *, version: str = "", address: str = NODE_ADDRESS
) -> None:
    """Creates them; `version` is what the node calls its kubelet, `address` its InternalIP."""
    store.create("storageclasses", storage_class())
    made = store.create("nodes", _node(node))
    store.update("nodes", made | {"status": _status(node, version, address)}, subresource="status")
    store.create("services", _api_service())
    store.create("endpoints", _api_endpoints(address))
    store.create("endpointslices", _api_slice(address))


def _api_service() -> Object:
    """The Service `kubernetes`, by which pods find the API server."""
    labels = {"component": "apiserver", "provider": "kubernetes"}
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": API_PORT}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {"clusterIP": API_CLUSTER_IP, "clusterIPs": [API_CLUSTER_IP], "ports": [port]},
    }


def _api_endpoints(address: str) -> Object:
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    port = {"name": "https", "port": API_PORT, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "subsets": [{"addresses": [{"ip": address}], "ports": [port]}],
    }


def _api_slice(address: str) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": API_PORT, "protocol": "TCP"}],
    }


def _node(name: str) -> Object:
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    labels = {
        "kubernetes.io/arch": architecture,
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": name,
        "beta.kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}


def _status(name: str, version: str, address: str) -> Object:
    resources = {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // 1024}Ki",
        "pods": "110",
    }
    return {
        "capacity": resources,
        "allocatable": dict(resources),
        "conditions": [_ready(), *(_healthy(*entry) for entry in _HEALTHY)],
        "addresses": [
            {"type": "InternalIP", "address": address},
            {"type": "Hostname", "address": name},
        ],
        "nodeInfo": {
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
            "kernelVersion": platform.release(),
            "osImage": "pgnb rehearsal",
            "containerRuntimeVersion": "pgnb://0.1",
            "kubeletVersion": version,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        },
    }


_HEALTHY = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


def _ready() -> Object:
    return _condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")


def _healthy(kind: str, reason: str, message: str) -> Object:
    return _condition(kind, "False", reason, message)


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    times = {"lastHeartbeatTime": now(), "lastTransitionTime": now()}
    return {"type": kind, "status": status} | times | {"reason": reason, "message": message}
