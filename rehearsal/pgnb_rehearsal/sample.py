"""Puts the sample primary and its writing client onto a rehearsal cluster (manifests/sample)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from importlib import resources

import yaml

from pgnb_rehearsal.api.objects import Object, lookup
from pgnb_rehearsal.client import Client, object_path
from pgnb_rehearsal.waiting import until

NAMESPACE = "postgres-async-replication"
PRIMARY = "postgres-primary"
WRITER = "sample-writer"
_SECRET_KEYS = ("password", "app-password")
_PATIENCE = 90.0


def deploy(client: Client, postgres: str, on_progress: Callable[[str], None]) -> None:
    """Applies the sample with the image `postgres:<postgres>` and waits until the primary is Ready.

    What is there already stays as it is or is brought back to the manifests; the passwords of an existing
    Secret are kept. RehearsalError tells what the pod waits for when it does not get ready.
    """
    objects = list(_manifests(postgres))
    writer = [obj for obj in objects if obj["metadata"]["name"] == WRITER]
    namespace, *others = [obj for obj in objects if obj not in writer]
    client.apply(namespace)
    _ensure_secret(client)
    for obj in others:
        client.apply(obj)
    on_progress("initdb and the sample data")
    _await_ready(client, PRIMARY)
    for obj in writer:
        client.apply(obj)
    _await_ready(client, WRITER)


def _manifests(postgres: str) -> Iterator[Object]:
    """The objects of the manifests in the order of their files."""
    directory = resources.files("pgnb.manifests").joinpath("sample")
    for file in sorted(directory.iterdir(), key=lambda entry: entry.name):
        for obj in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            for container in lookup(obj, "spec", "template", "spec", "containers") or ():
                container["image"] = f"postgres:{postgres}"
            yield obj


def _ensure_secret(client: Client) -> None:
    metadata = {"name": PRIMARY, "namespace": NAMESPACE}
    secret: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    if client.find(object_path(secret)) is not None:
        return
    made = {key: base64.b64encode(secrets.token_urlsafe(24).encode()).decode() for key in _SECRET_KEYS}
    client.create(f"/api/v1/namespaces/{NAMESPACE}/secrets", secret | {"data": made})


def _await_ready(client: Client, name: str) -> None:
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}"

    def available() -> bool:
        status = client.get(path).get("status", {})
        return bool(status.get("availableReplicas") and status.get("updatedReplicas"))

    until(available, _PATIENCE, what=f"Deployment {name} available", found=lambda: _pods(client, name))


def _pods(client: Client, name: str) -> str:
    """What the Deployment's pods say about themselves, for an error's text."""
    pods = client.get(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{name}")["items"]
    return "; ".join(_told(pod) for pod in pods) or "no pod"


def _told(pod: Object) -> str:
    said = [pod["metadata"]["name"], str(lookup(pod, "status", "phase"))]
    for entry in lookup(pod, "status", "containerStatuses") or ():
        state = entry.get("state") or {}
        said += [
            f"{kind} {how.get('reason', '')} {how.get('message', '')}".strip() for kind, how in state.items()
        ]
    said += [c["message"] for c in lookup(pod, "status", "conditions") or () if c.get("message")]
    return ", ".join(said)
