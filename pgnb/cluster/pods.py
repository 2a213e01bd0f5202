"""A pod: which container runs PostgreSQL, what is mounted there, who owns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pgnb.cluster.persistence import outlives_pod
from pgnb.cluster.pod_state import condition, not_ready_reason
from pgnb.core.display import Table, key_value_table
from pgnb.core.errors import PodError

POSTGRES_PORT = 5432
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_BESIDE = ("exporter", "bouncer", "backup", "metrics", "sidecar", "barman", "pgadmin", "pgpool")
"""Words in the name or image of a container that is not a PostgreSQL server."""
_SOURCES = ("persistentVolumeClaim", "emptyDir", "configMap", "secret", "projected", "hostPath", "ephemeral")
_HOLD_FILES = ("secret", "configMap", "projected")
_SOURCE_NAMES = ("claimName", "secretName", "name", "path")


@dataclass(frozen=True)
class Mount:
    """A volume in a container: `source` is its kind in the pod's spec, `name` the claim, Secret, …"""

    path: str
    volume: str
    source: str
    name: str = ""
    sub_path: str = ""
    read_only: bool = False
    persistent: bool = False
    """Whether data there outlives the pod."""

    @property
    def claim(self) -> str:
        """The PersistentVolumeClaim's name; "" if it is not one."""
        return self.name if self.source == "persistentVolumeClaim" else ""

    @property
    def varies(self) -> bool:
        """Whether each pod may have its own directory there, by its variables (subPathExpr)."""
        return "$(" in self.sub_path


@dataclass(frozen=True)
class EnvRef:
    """The source of an environment variable: a plain value, or the key of a Secret or ConfigMap."""

    name: str
    source: str
    key: str = ""
    value: str = field(default="", repr=False)
    """A plain value; never shown, because it may be a password that somebody wrote into the manifest."""


@dataclass(frozen=True)
class Pod:
    """A pod as it was read, with one of its containers chosen."""

    name: str
    namespace: str
    uid: str
    container: str
    image: str
    phase: str
    ready: bool
    ip: str
    node: str
    restarts: int
    containers: tuple[str, ...]
    labels: Mapping[str, str]
    owner: tuple[str, str]
    """Kind and name of the controller; "" for a bare pod."""
    mounts: tuple[Mount, ...]
    env: tuple[EnvRef, ...]
    not_ready_reason: str
    """Why it is not Ready, in the kubelet's or scheduler's words; "" if it is."""
    object: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, pod: Mapping[str, Any], container: str = "", events: Sequence[Mapping[str, Any]] = ()) -> Pod:
        """Return a JSON object's pod, with `container` or the one that runs PostgreSQL. Raises PodError."""
        meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
        chosen = choose_container(pod, container)
        state = _status_of(status, chosen["name"])
        return cls(
            meta["name"],
            meta.get("namespace", ""),
            meta["uid"],
            chosen["name"],
            chosen.get("image", ""),
            status.get("phase", "Unknown"),
            _is_ready(pod),
            status.get("podIP", ""),
            spec.get("nodeName", ""),
            int(state.get("restartCount", 0)),
            tuple(c["name"] for c in spec["containers"]),
            meta.get("labels") or {},
            _owner(meta),
            _mounts(spec, chosen),
            _env(chosen),
            not_ready_reason(pod, events),
            pod,
        )

    @property
    def deleting(self) -> bool:
        """Whether it is being deleted; it may still answer."""
        return bool(self.object["metadata"].get("deletionTimestamp"))

    @property
    def spec(self) -> Mapping[str, Any]:
        """The pod's spec as JSON: securityContext, serviceAccountName, affinity, …"""
        spec: Mapping[str, Any] = self.object["spec"]
        return spec

    @property
    def container_spec(self) -> Mapping[str, Any]:
        """The chosen container's part of the spec."""
        return next(c for c in self.spec["containers"] if c["name"] == self.container)

    @property
    def started_at(self) -> str:
        """When the chosen container began to run (RFC 3339); "" if it doesn't run."""
        return str((self.state.get("running") or {}).get("startedAt", ""))

    @property
    def state(self) -> Mapping[str, Any]:
        """The chosen container's state as JSON: `running`, `waiting` or `terminated`; empty before any."""
        state: Mapping[str, Any] = (
            _status_of(self.object.get("status") or {}, self.container).get("state") or {}
        )
        return state

    def mount_of(self, path: str) -> Mount | None:
        """Return the mount that holds `path` or a parent of it; None if it lies in the image's layer."""
        holding = [mount for mount in self.mounts if _holds(mount.path, path)]
        return max(holding, key=lambda mount: len(mount.path)) if holding else None

    def files(self, paths: Sequence[str]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Return the Secrets, ConfigMaps and projected volumes that hold these files, each with its mount."""
        held = {
            mount.path for path in paths if (mount := self.mount_of(path)) and mount.source in _HOLD_FILES
        }
        volumes = {volume["name"]: volume for volume in self.spec.get("volumes") or []}
        mounts = self.container_spec.get("volumeMounts") or []
        return [(volumes[m["name"]], m) for m in mounts if m["mountPath"].rstrip("/") in held]

    @property
    def table(self) -> Table:
        """One fact a line."""
        facts = {
            "container": f"{self.container} of {', '.join(self.containers)}",
            "image": self.image,
            "state": self.not_ready_reason or "Ready",
            "node": self.node,
            "address": self.ip,
            "restarts": self.restarts,
            "owner": "/".join(self.owner) if self.owner[0] else "none",
        }
        return key_value_table(f"pod/{self.name}", facts)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def __str__(self) -> str:
        return str(self.table)


def choose_container(pod: Mapping[str, Any], name: str = "") -> Mapping[str, Any]:
    """Return the container of that name, or by default the container that runs PostgreSQL.

    It is recognized by port 5432, then by its name or image, then by kubectl's annotation of the default
    container. Raises PodError with the existing containers.
    """
    containers: list[Mapping[str, Any]] = pod["spec"]["containers"]
    if name:
        found = [c for c in containers if c["name"] == name]
    else:
        found = containers if len(containers) == 1 else _running_postgres(pod, containers)
    if len(found) == 1:
        return found[0]
    raise PodError(
        f"pod {pod['metadata']['name']} has no container {name!r}"
        if name
        else f"cannot tell which container of pod {pod['metadata']['name']} runs PostgreSQL",
        found="; ".join(f"{c['name']} ({c.get('image', '')})" for c in containers),
        remedy="Name one of them by the parameter for the container.",
    )


def likely_container(pod: Mapping[str, Any], name: str = "") -> str:
    """Return the container to show in a list of pods: that of the name, or the first."""
    names = [container["name"] for container in pod["spec"]["containers"]]
    if name in names:
        return name
    servers = _running_postgres(pod, pod["spec"]["containers"])
    return str(servers[0]["name"] if servers else names[0])


def _running_postgres(pod: Mapping[str, Any], containers: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    servers = [c for c in containers if not _stands_beside(c)]
    default = (pod["metadata"].get("annotations") or {}).get(_DEFAULT_CONTAINER)
    tests = (
        lambda c: any(port.get("containerPort") == POSTGRES_PORT for port in c.get("ports") or []),
        lambda c: c["name"] in ("postgres", "postgresql"),
        lambda c: "postgres" in c["name"] or "postgres" in c.get("image", ""),
        lambda c: c["name"] == default,
    )
    for test in tests:
        if len(found := [c for c in servers if test(c)]) == 1:
            return found
    return []


def _stands_beside(container: Mapping[str, Any]) -> bool:
    text = f"{container['name']} {container.get('image', '').rpartition('/')[2]}"
    return any(word in text for word in _BESIDE)


def _is_ready(pod: Mapping[str, Any]) -> bool:
    return condition(pod, "Ready").get("status") == "True" and not pod["metadata"].get("deletionTimestamp")


def _status_of(status: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    return next((s for s in status.get("containerStatuses") or [] if s["name"] == container), {})


def _owner(meta: Mapping[str, Any]) -> tuple[str, str]:
    owners = [ref for ref in meta.get("ownerReferences") or [] if ref.get("controller")]
    return (owners[0]["kind"], owners[0]["name"]) if owners else ("", "")


def _mounts(spec: Mapping[str, Any], container: Mapping[str, Any]) -> tuple[Mount, ...]:
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or []}
    mounts = container.get("volumeMounts") or []
    return tuple(_mount(entry, volumes.get(entry["name"], {}), spec) for entry in mounts)


def _mount(entry: Mapping[str, Any], volume: Mapping[str, Any], spec: Mapping[str, Any]) -> Mount:
    known = next((kind for kind in _SOURCES if kind in volume), "")
    source = known or next((key for key in volume if key != "name"), "")
    inside = volume.get(source) or {}
    name = next((str(inside[key]) for key in _SOURCE_NAMES if inside.get(key)), "")
    return Mount(
        entry["mountPath"].rstrip("/") or "/",
        entry["name"],
        source,
        name,
        entry.get("subPath", "") or entry.get("subPathExpr", ""),
        bool(entry.get("readOnly")),
        outlives_pod(source, spec),
    )


def _env(container: Mapping[str, Any]) -> tuple[EnvRef, ...]:
    return tuple(_env_ref(entry) for entry in container.get("env") or [])


def _env_ref(entry: Mapping[str, Any]) -> EnvRef:
    origin = entry.get("valueFrom") or {}
    for field_name, kind in (("secretKeyRef", "secret"), ("configMapKeyRef", "configmap")):
        if ref := origin.get(field_name):
            return EnvRef(entry["name"], f"{kind}/{ref['name']}", ref["key"])
    return EnvRef(entry["name"], "field" if origin else "value", value=entry.get("value", ""))


def _holds(mount: str, path: str) -> bool:
    return path == mount or path.startswith(f"{mount.rstrip('/')}/")
