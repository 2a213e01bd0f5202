"""Servers as people run them: one Deployment of PostgreSQL, and what a case changes of its pod."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

from tests.real.settings import IMAGE, STORAGE_CLASS, UID

PRIMARY, STANDBY, SUBSCRIBER = "postgres-primary", "postgres-async-replica", "postgres-subscriber"
Manifest = dict[str, Any]
Shape = Callable[[Manifest], None]
"""Changes the pod's spec; its first container is the server."""
_PASSWORD = "only-for-tests"
_MOUNT = "/var/lib/postgresql/data"
_FILL = """
printf "%s\\n" "listen_addresses = '*'" "hba_file = '/conf/pg_hba.conf'" > /conf/postgresql.conf
printf "%s\\n" "local all all trust" "host all all all scram-sha-256" > /conf/pg_hba.conf
"""


def objects(name: str, shape: Shape, image: str = IMAGE) -> Iterator[Manifest]:
    """Secret, claim, Service and Deployment, scaled to 0, of a server called `name`."""
    meta = {"name": name, "labels": {"app": name}}
    secret = {"password": base64.b64encode(_PASSWORD.encode()).decode()}
    yield {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": secret}
    claim: Manifest = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "3Gi"}}}
    claim |= {"storageClassName": STORAGE_CLASS} if STORAGE_CLASS else {}
    yield {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": claim}
    service = {"selector": {"app": name}, "ports": [{"port": 5432}]}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service}
    spec = _pod_spec(name, image)
    shape(spec)
    deployment = {
        "replicas": 0,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
    }
    yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": deployment}


def _pod_spec(name: str, image: str) -> Manifest:
    probe = {"exec": {"command": ["pg_isready", "-q", "-h", "127.0.0.1"]}, "periodSeconds": 1}
    password = {"secretKeyRef": {"name": name, "key": "password"}}
    container = {
        "name": "postgres",
        "image": image,
        # Section 12 needs it, and a restart is no matter of these cases.
        "args": ["-c", "wal_level=logical"],
        "env": [
            {"name": "POSTGRES_PASSWORD", "valueFrom": password},
            {"name": "PGDATA", "value": f"{_MOUNT}/pgdata"},
        ],
        "ports": [{"containerPort": 5432, "name": "postgres"}],
        "readinessProbe": probe,
        "volumeMounts": [{"name": "data", "mountPath": _MOUNT}],
    }
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": name}}
    return {"containers": [container], "volumes": [volume], "terminationGracePeriodSeconds": 30}


def plain(_spec: Manifest) -> None:
    """As the official image is mostly run: it starts as root and steps down."""


def together(*shapes: Shape) -> Shape:
    """Several shapes, one after the other."""

    def change(spec: Manifest) -> None:
        for shape in shapes:
            shape(spec)

    return change


def restricted(spec: Manifest) -> None:
    """What the Pod Security level `restricted` asks for."""
    spec["securityContext"] = {"fsGroup": UID}
    spec["containers"][0]["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": UID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def metered(spec: Manifest) -> None:
    """Requests and limits, as a quota asks for them."""
    asked = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}
    spec["containers"][0]["resources"] = asked


def with_deaf_sidecar(grace: int) -> Shape:
    """A second container that no signal ends but SIGKILL, after the pod's whole grace period."""

    def change(spec: Manifest) -> None:
        deaf = "trap '' TERM INT; while :; do sleep 1; done"
        image = spec["containers"][0]["image"]
        spec["containers"].append({"name": "deaf", "image": image, "command": ["sh", "-c", deaf]})
        spec["terminationGracePeriodSeconds"] = grace

    return change


def slow_to_start(seconds: int) -> Shape:
    """An init container that takes its time, as a volume does that attaches slowly."""

    def change(spec: Manifest) -> None:
        image = spec["containers"][0]["image"]
        spec["initContainers"] = [{"name": "slow", "image": image, "command": ["sleep", str(seconds)]}]

    return change


def configured_by_its_start(spec: Manifest) -> None:
    """Configuration that is generated on an emptyDir at each start, as Bitnami's chart does."""
    container = spec["containers"][0]
    mount = {"name": "conf", "mountPath": "/conf"}
    container["args"] = ["postgres", "-c", "config_file=/conf/postgresql.conf"]
    container["volumeMounts"] = [*container["volumeMounts"], mount]
    init = {"name": "fill", "image": container["image"], "command": ["sh", "-c", _FILL]}
    spec["initContainers"] = [{**init, "volumeMounts": [mount]}]
    spec["volumes"] = [*spec["volumes"], {"name": "conf", "emptyDir": {}}]


def on_nodes(label: str) -> Shape:
    """Only on nodes with that label."""

    def change(spec: Manifest) -> None:
        spec["nodeSelector"] = {label: "yes"}

    return change


def tolerating(key: str) -> Shape:
    """Also on nodes with that taint."""

    def change(spec: Manifest) -> None:
        spec["tolerations"] = [{"key": key, "operator": "Exists", "effect": "NoSchedule"}]

    return change
