"""Lives of objects: what happens to them in which order, on a cluster and in the recordings.

A watch shows a life with gaps that differ from run to run: updates that follow closely may be seen as one. So
lives are compared field by field: the values that one field takes, in their order.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.integration.conformance.replay import (
    RECORDED_NAMESPACE,
    Answer,
    Api,
    Replay,
    exchanges,
    recording,
    steady,
)

IMAGE = os.environ.get("PGNB_CONFORMANCE_IMAGE", "postgres:17")
RECORDED_IMAGE = "docker.io/library/postgres:15"
_PATIENCE = 90.0
_SUFFIX = re.compile(
    r"\b(postgres-primary|db|good|bad|late)-[bcdfghjklmnpqrstvwxz2456789]{5,10}(-[a-z0-9]{5})?\b"
)
_NODE_KEYS = ("nodeName", "hostIP", "containerID", "imageID", "image", "host", "reportingInstance")
Facet = Callable[[dict[str, Any]], Any]
Event = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """A namespace, and the replay of recorded requests into it."""

    api: Api
    replay: Replay

    @property
    def namespace(self) -> str:
        return self.replay.namespace

    def send(self, recording_name: str, what: str) -> Answer:
        """Sends a recorded request, with the image that this cluster has."""
        return self.replay.send(exchanges(recording_name)[what])

    def path(self, collection: str, name: str = "") -> str:
        """The path of a core collection (`pods`) or another (`apps/v1/deployments`), or of an object."""
        group, _, plural = collection.rpartition("/")
        prefix = f"/apis/{group}" if group else "/api/v1"
        return f"{prefix}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def get(self, collection: str, name: str) -> dict[str, Any]:
        answer = self.api.call("GET", self.path(collection, name))
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def list(self, collection: str, labels: str = "") -> list[dict[str, Any]]:
        query = f"?labelSelector={labels}" if labels else ""
        return list(self.api.call("GET", self.path(collection) + query).body["items"])

    def version(self, collection: str) -> str:
        """The resourceVersion at this moment."""
        return str(self.api.call("GET", self.path(collection)).body["metadata"]["resourceVersion"])

    def since(self, collection: str, version: str) -> list[Event]:
        """What happened to the collection since a version."""
        query = f"?watch=true&resourceVersion={version}&timeoutSeconds=1"
        return list(self.api.watch(self.path(collection) + query))

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        """Polls until the condition holds; the failure says what was waited for."""
        deadline = time.monotonic() + _PATIENCE
        while not (found := condition()):
            assert time.monotonic() < deadline, f"in vain: {what}"
            time.sleep(0.02)
        return found

    def make_primary(self) -> None:
        """The recorded Deployment, available."""
        answer = self.send("workload", "deployment")
        assert answer.status == 201, answer.body
        self.await_available(1)

    def await_available(self, count: int) -> None:
        """The Deployment has `count` available pods, no other, and its controller has seen its spec."""

        def there() -> bool:
            deployment = self.get("apps/v1/deployments", "postgres-primary")
            status = deployment["status"]
            numbers = [status.get(name, 0) for name in ("replicas", "availableReplicas", "updatedReplicas")]
            seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
            return seen and numbers == [count] * 3 and len(self.list("pods")) == count

        self.until(f"{count} available", there)


@contextmanager
def furnished(api: Api) -> Iterator[Place]:
    """A new namespace with the Secret, ConfigMap, claim and Services that the recorded workloads name."""
    place = Place(api, Replay(api, f"lives-{uuid.uuid4().hex[:8]}", {RECORDED_IMAGE: IMAGE}))
    assert api.call("POST", "/api/v1/namespaces", {"metadata": {"name": place.namespace}}).status == 201
    account = place.path("serviceaccounts", "default")
    place.until("default service account", lambda: api.call("GET", account).status == 200)
    bodies = {
        "configmaps": {"metadata": {"name": "config"}, "data": {"a": "1"}},
        "secrets": {"metadata": {"name": "creds"}, "stringData": {"password": "only-for-tests"}},
    }
    for plural, body in bodies.items():
        assert api.call("POST", place.path(plural), body).status == 201
    for what in ("service", "headless service", "claim"):
        assert place.send("objects", what).status == 201, what
    yield place
    api.call("DELETE", f"/api/v1/namespaces/{place.namespace}")


def recorded_watch(name: str, what: str) -> list[Event]:
    """The events of a recorded watch."""
    return next(entry["events"] for entry in recording(name) if entry["what"] == what and "events" in entry)


def life(events: list[Event], facet: Facet) -> list[Any]:
    """The values of a facet in their order, each once until it changes."""
    values: list[Any] = []
    for event in events:
        value = facet(event)
        if not values or values[-1] != value:
            values.append(value)
    return values


def field(*keys: str, default: Any = None) -> Facet:
    """A facet: what stands below `keys` in the event's object."""

    def look(event: Event) -> Any:
        value: Any = event["object"]
        for key in keys:
            value = value.get(key, {}) if isinstance(value, dict) else {}
        return default if value == {} else value

    return look


def condition(kind: str, *keys: str) -> Facet:
    """A facet: fields of a condition of the event's object, None where there is none."""

    def look(event: Event) -> Any:
        for entry in event["object"].get("status", {}).get("conditions") or ():
            if entry["type"] == kind:
                return tuple(plain(entry.get(key)) for key in keys)
        return None

    return look


def plain(value: Any, key: str = "") -> Any:
    """A value without what differs from cluster to cluster: also hashes in names, nodes, images."""
    if isinstance(value, dict):
        value = steady(value)
        cleaned = {name: plain(item, name) for name, item in value.items() if name != "managedFields"}
        if "pod-template-hash" in cleaned:
            cleaned["pod-template-hash"] = "<hash>"
        return cleaned
    if isinstance(value, list):
        return [plain(item, key) for item in steady(value) if not _is_foreign(item)]
    if not isinstance(value, str):
        return value
    if key in _NODE_KEYS:
        return f"<{key}>"
    text = re.sub(r"kube-api-access-[a-z0-9]{5}", "kube-api-access-<suffix>", str(steady(value, key)))
    return _SUFFIX.sub(r"\1-<hash>", text).replace(RECORDED_IMAGE, IMAGE)


def _is_foreign(item: Any) -> bool:
    """What only the recorder's kind of cluster puts into every pod."""
    return isinstance(item, dict) and (item.get("configMap") or {}).get("name") == "openshift-service-ca.crt"


def at_home(value: Any, namespace: str) -> Any:
    """A value whose texts say `pgnb-record` where they name the cluster's `namespace`."""
    if isinstance(value, dict):
        return {key: at_home(item, namespace) for key, item in value.items()}
    if isinstance(value, list):
        return [at_home(item, namespace) for item in value]
    return value.replace(namespace, RECORDED_NAMESPACE) if isinstance(value, str) else value


def told(events: list[Event], namespace: str, *, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What the events that were new say, in their order; those of some reasons left out."""
    objects = [event["object"] for event in events if event["type"] == "ADDED"]
    entries = [at_home(plain(obj), namespace) for obj in objects if obj["reason"] not in without]
    for entry in entries:
        entry["metadata"].pop("name")
        entry["message"] = re.sub(r"(Successfully assigned \S+ to) \S+$", r"\1 <node>", entry["message"])
    return entries


def differences(recorded: Any, found: Any, path: str = "") -> list[str]:
    """Where two plain values differ, one line each."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        lines = [f"{path}.{key}: missing" for key in recorded.keys() - found.keys()]
        lines += [f"{path}.{key}: not recorded, {found[key]!r}" for key in found.keys() - recorded.keys()]
        for key in recorded.keys() & found.keys():
            lines += differences(recorded[key], found[key], f"{path}.{key}")
        return sorted(lines)
    if isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        pairs = enumerate(zip(recorded, found, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{path}[{i}]")]
    return [] if recorded == found else [f"{path}: recorded {recorded!r}, found {found!r}"]
