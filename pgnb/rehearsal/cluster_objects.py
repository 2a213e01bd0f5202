"""The objects of the cluster itself: its node and its storage class."""

from __future__ import annotations

import os
import platform

from pgnb.rehearsal.api.objects import Object
from pgnb.rehearsal.api.store import Store
from pgnb.rehearsal.controllers.claims import storage_class
from pgnb.rehearsal.controllers.clock import now

NODE_ADDRESS = "127.0.0.1"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def create_cluster_objects(
    store: Store, node: str, *, version: str = "", address: str = NODE_ADDRESS
) -> None:
    """Creates them; `version` is what the node calls its kubelet, `address` its InternalIP."""
    store.create("storageclasses", storage_class())
    made = store.create("nodes", _node(node))
    store.update("nodes", made | {"status": _status(node, version, address)}, subresource="status")


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
