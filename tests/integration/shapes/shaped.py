"""Primaries that are not the procedure's own: the manifests of each, and how a run's parameters name it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.versions import majors

Manifest = dict[str, Any]
PASSWORD = "only-for-tests"
SETTINGS = {"max_wal_senders": "10", "wal_keep_size": "64MB", "max_slot_wal_keep_size": "512MB"}
"""Wishes that a reload fulfils on every version."""


@dataclass(frozen=True)
class Shape:
    """A primary: its objects, the workload's kind and name, and the parameters that lead to it."""

    kind: str
    name: str
    manifests: tuple[Manifest, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)


def secret(name: str, key: str) -> Manifest:
    """A Secret with the superuser's password under a key of one's own choice."""
    value = base64.b64encode(PASSWORD.encode()).decode()
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {key: value}}


def service(name: str, selector: Mapping[str, str], **spec: Any) -> Manifest:
    """A Service; by default on port 5432, as the server."""
    desired = {"selector": dict(selector), "ports": [{"port": 5432}]} | spec
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": desired}


def claim(name: str) -> Manifest:
    """A PersistentVolumeClaim."""
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": _ROOM}


def config_map(name: str, data: Mapping[str, str]) -> Manifest:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": dict(data)}


_ROOM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def container(
    image: str,
    password: tuple[str, str],
    mounts: list[Manifest],
    *,
    name: str = "postgres",
    user: str = "postgres",
    **more: Any,
) -> Manifest:
    """A container that runs PostgreSQL, Ready over TCP; `password` is a Secret's name and key."""
    reference = {"secretKeyRef": {"name": password[0], "key": password[1]}}
    env = [{"name": "POSTGRES_PASSWORD", "valueFrom": reference}, {"name": "POSTGRES_USER", "value": user}]
    probe = {"exec": {"command": ["pg_isready", "-q", "-h", "127.0.0.1"]}, "periodSeconds": 1}
    return {
        "name": name,
        "image": image,
        "env": [*env, *more.pop("env", ())],
        "readinessProbe": probe,
        "ports": [{"containerPort": 5432}],
        "volumeMounts": mounts,
        **more,
    }


def sidecar(image: str) -> Manifest:
    """A container that stands before the server's and is none."""
    wait = "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"
    return {"name": "log-shipper", "image": image, "command": ["sh", "-c", wait]}


def workload(
    kind: str,
    name: str,
    labels: Mapping[str, str],
    containers: list[Manifest],
    volumes: list[Manifest],
    **spec: Any,
) -> Manifest:
    """A Deployment or a StatefulSet of one pod."""
    template = {
        "metadata": {"labels": dict(labels)},
        "spec": {
            "containers": containers,
            "volumes": volumes,
            "terminationGracePeriodSeconds": 20,
        },
    }
    desired = {"replicas": 1, "selector": {"matchLabels": dict(labels)}, "template": template} | spec
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": desired}


def stateful_set() -> Shape:
    """A StatefulSet with a claim template, its data at the mount's root, known by the recommended labels.

    No label `app` anywhere; clients come by a Service with a port of its own; superuser and key as a chart
    names them.
    """
    labels = {"app.kubernetes.io/name": "postgresql", "app.kubernetes.io/instance": "orders"}
    mounts = [{"name": "data", "mountPath": "/var/lib/postgresql/data"}]
    server = container("postgres:17", ("orders-db", "postgres-password"), mounts, name="postgresql")
    template = {"metadata": {"name": "data"}, "spec": _ROOM}
    port = {"name": "sql", "port": 6432, "targetPort": 5432}
    return Shape(
        "StatefulSet",
        "orders-db",
        (
            secret("orders-db", "postgres-password"),
            service("orders-db-nodes", labels, clusterIP="None"),
            service("orders", labels, ports=[port]),
            workload(
                "StatefulSet",
                "orders-db",
                labels,
                [server],
                [],
                serviceName="orders-db-nodes",
                volumeClaimTemplates=[template],
            ),
        ),
        {
            "primary_selector": "app.kubernetes.io/name=postgresql,app.kubernetes.io/instance=orders",
            "primary_service": "orders",
            "primary_password_from": "secret:orders-db/postgres-password",
        },
    )


_HBA = """\
local all all trust
host all all 127.0.0.1/32 scram-sha-256
host all all all scram-sha-256
"""


def mounted_configuration() -> Shape:
    """config_file and hba_file on a ConfigMap's mount, a sidecar first, another superuser, RollingUpdate."""
    labels = {"app": "billing", "tier": "db"}
    conf = "listen_addresses = '*'\nhba_file = '/etc/postgresql/pg_hba.conf'\nmax_connections = 60\n"
    mounts = [
        {"name": "data", "mountPath": "/var/lib/postgresql/data"},
        {"name": "conf", "mountPath": "/etc/postgresql"},
    ]
    server = container(
        "postgres:17",
        ("billing-superuser", "pw"),
        mounts,
        name="database",
        user="admin",
        args=["-c", "config_file=/etc/postgresql/postgresql.conf"],
        env=[{"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"}],
    )
    volumes = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "billing-data"}},
        {"name": "conf", "configMap": {"name": "billing-conf"}},
    ]
    return Shape(
        "Deployment",
        "billing",
        (
            secret("billing-superuser", "pw"),
            config_map("billing-conf", {"postgresql.conf": conf, "pg_hba.conf": _HBA}),
            claim("billing-data"),
            service("billing", labels),
            workload(
                "Deployment",
                "billing",
                labels,
                [sidecar("postgres:17"), server],
                volumes,
                strategy={"type": "RollingUpdate"},
            ),
        ),
        {
            "primary_selector": "app=billing,tier=db",
            "primary_service": "billing",
            "user": "admin",
            "primary_password_from": "secret:billing-superuser/pw",
            "primary_config_map": "billing-conf",
        },
    )


def elsewhere() -> Shape:
    """PGDATA elsewhere, below a subPath of the volume; the oldest PostgreSQL of the tests."""
    mounts = [{"name": "disk", "mountPath": "/pg", "subPath": "cluster"}]
    env = [{"name": "PGDATA", "value": "/pg/main/elsewhere"}]
    return _plain("elsewhere", f"postgres:{majors()[0]}", mounts, env=env)


def eighteen() -> Shape:
    """PostgreSQL 18 with the image's own PGDATA, which only the image names."""
    return _plain("eighteen", "postgres:18", [{"name": "disk", "mountPath": "/var/lib/postgresql"}])


def seventeen() -> Shape:
    """The procedure's own primary, but for its names."""
    mounts = [{"name": "disk", "mountPath": "/var/lib/postgresql/data"}]
    env = [{"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"}]
    return _plain("seventeen", "postgres:17", mounts, env=env)


def _plain(name: str, image: str, mounts: list[Manifest], **more: Any) -> Shape:
    labels = {"app": name}
    server = container(image, (name, "password"), mounts, **more)
    volumes = [{"name": "disk", "persistentVolumeClaim": {"claimName": name}}]
    return Shape(
        "Deployment",
        name,
        (
            secret(name, "password"),
            claim(name),
            service(name, labels),
            workload("Deployment", name, labels, [server], volumes, strategy={"type": "Recreate"}),
        ),
        {
            "primary_selector": f"app={name}",
            "primary_service": name,
            "primary_password_from": f"secret:{name}/password",
        },
    )
