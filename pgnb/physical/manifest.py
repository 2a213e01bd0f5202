"""The standby's manifests, from pgnb's template or the operator's file, with values of the primary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pgnb.cluster import Volume, Workload
from pgnb.cluster.environment import taken_over
from pgnb.cluster.placement import elsewhere
from pgnb.cluster.security import User, container_security, pod_security, server_user
from pgnb.cluster.server_spec import MANAGED_BY
from pgnb.cluster.templates import Manifest, rendered
from pgnb.core.errors import ParameterError
from pgnb.physical.claims import more_claims
from pgnb.physical.standby_spec import StandbySpec
from pgnb.postgres import Server
from pgnb.postgres.source import PASSFILE_DIRECTORY, PASSWORD_VARIABLE, Source

_SCALED = ("Deployment", "StatefulSet")
_COPIED = ("configMap", "secret", "projected", "emptyDir")
_CUSTOM_CONFIG = "/etc/postgresql/custom-config"
_DEFAULT_SIZE = "10Gi"
_PASSFILE_VOLUME = "pgnb-passfile"


def data_owner(primary: Server) -> User:
    """Return the owner of the primary's data directory, as in its container."""
    owner = primary.owner
    return User(owner.uid, owner.gid)


def standby_manifests(
    primary: Server,
    spec: StandbySpec,
    source: Source,
    *,
    live: Workload | None = None,
    file: str = "",
    size: str = "",
    storage_class: str = "",
) -> list[Manifest]:
    """Return the manifests of one standby, ready to be applied.

    `live` is the existing workload, if any. `file` is the operator's own template (or plain YAML); `size`
    and `storage_class` replace those of the primary's claim. Raises ParameterError for a file that does not
    exist, is not YAML, or has not exactly one Deployment or StatefulSet of the standby's name.
    """
    name = spec.name
    volume = primary.cluster.volume(primary.pod, primary.facts.data_directory)
    replicas = live.replicas if live else 0
    values = {
        **_from_primary(primary, volume),
        **_from_source(source),
        "name": name,
        "replicas": replicas,
        **taken_over(
            primary.pod.container_spec,
            primary.cluster.server_options.env,
            own=("PGDATA",),
            own_file=bool(file),
        ),
        "labels": {"app": name, MANAGED_BY: "pgnb"},
        "config_map": spec.config_map,
        "size": size or volume.size or _DEFAULT_SIZE,
        "storage_class": storage_class or volume.storage_class,
        "more_claims": more_claims(primary, name, live, spec.tablespaces),
    }
    manifests = rendered(file, "standby.yaml", values)
    workload = _workload_of(manifests, name, file or "standby.yaml")
    workload["spec"]["replicas"] = replicas
    primary.cluster.server_options.dress(workload, primary.pod.container)
    return manifests


def _from_source(source: Source) -> dict[str, Any]:
    return {
        "passfile_command": source.passfile_command,
        "passfile_directory": PASSFILE_DIRECTORY,
        "secret": source.secret,
        "secret_key": source.secret_key,
    }


def _from_primary(primary: Server, volume: Volume) -> dict[str, Any]:
    """Return what the standby copies from the primary's pod: image, command, configuration, volume."""
    pod, owner = primary.pod, data_owner(primary)
    mount = volume.mount or primary.facts.data_directory
    spec = pod.container_spec
    placed = elsewhere(pod.spec)
    root = primary.facts.data_directory == mount
    return {
        "image": pod.image,
        "container": pod.container,
        "command": spec.get("command"),
        "args": spec.get("args"),
        "resources": spec.get("resources"),
        "pull_secrets": pod.spec.get("imagePullSecrets"),
        "primary_labels": _stable(pod.labels),
        "port": primary.facts.port,
        "uid": owner.uid,
        "gid": owner.gid,
        "mount": mount,
        "data_directory": f"{mount}/pgdata" if root else primary.facts.data_directory,
        "access_modes": list(volume.access_modes) or ["ReadWriteOnce"],
        "pod_security": pod_security(pod.spec, owner),
        "container_security": container_security(owner),
        "placement": placed,
        "node_affinity": placed.pop("affinity", {}).get("nodeAffinity"),
        "more_mounts": _more_mounts(primary),
        "more_volumes": _more_volumes(primary),
        "config_mount": "" if _covered(primary, _CUSTOM_CONFIG) else _CUSTOM_CONFIG,
    }


def _stable(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels without those that a controller changes with each revision."""
    changing = ("pod-template-hash", "controller-revision-hash")
    return {key: value for key, value in labels.items() if key not in changing}


def _copied(primary: Server) -> list[str]:
    """Return the volumes without data: certificates, configuration, temporary files; not the passfile."""
    at = {mount.path for mount in primary.pod.mounts if mount.source in _COPIED}
    skipped = {_CUSTOM_CONFIG, PASSFILE_DIRECTORY, "/docker-entrypoint-initdb.d"}
    return [m.volume for m in primary.pod.mounts if m.path in at - skipped and not _is_token(m.path)]


def _covered(primary: Server, path: str) -> bool:
    """Whether a copied volume is mounted above that path; nothing can be mounted inside a read-only one."""
    copied = _copied(primary)
    return any(path.startswith(f"{m.path}/") for m in primary.pod.mounts if m.volume in copied)


def _is_token(path: str) -> bool:
    return path.startswith("/var/run/secrets/kubernetes.io/")


def _more_mounts(primary: Server) -> list[Mapping[str, Any]]:
    names = _copied(primary)
    return [m for m in primary.pod.container_spec.get("volumeMounts") or [] if m["name"] in names]


def _more_volumes(primary: Server) -> list[Mapping[str, Any]]:
    names = _copied(primary)
    return [v for v in primary.pod.spec.get("volumes") or [] if v["name"] in names]


def _workload_of(manifests: Sequence[Manifest], name: str, file: str) -> Manifest:
    scaled = [m for m in manifests if m["kind"] in _SCALED]
    found = [m for m in scaled if m["metadata"]["name"] == name and isinstance(m.get("spec"), Mapping)]
    if len(found) == 1 and len(scaled) == 1:
        return found[0]
    names = [f"{m['kind']} {m['metadata']['name']}" for m in scaled]
    raise ParameterError(
        f"the manifest {file} must hold exactly one Deployment or StatefulSet with a spec, called {name}",
        found=", ".join(names) or "none",
    )


def with_passfile(pod_spec: Mapping[str, Any], container: str, source: Source, owner: User) -> Manifest:
    """Return a patch that gives an existing pod spec the passfile for the source.

    `owner` owns the server's data directory. The patch is empty if the container has another volume mounted
    at the passfile's directory.
    """
    server = next(c for c in pod_spec["containers"] if c["name"] == container)
    there = {m["name"] for m in server.get("volumeMounts") or [] if m["mountPath"] == PASSFILE_DIRECTORY}
    if there - {_PASSFILE_VOLUME}:
        return {}
    return passfile_patch(pod_spec, container, source, owner)


def passfile_patch(pod_spec: Mapping[str, Any], container: str, source: Source, owner: User) -> Manifest:
    """Return a patch with the passfile's init container, mount and volume for a source.

    libpq reads a passfile only if its own user owns it, with mode 0600. So the init container runs as the
    user of the server's processes, not as the image's user.
    """
    server = next(c for c in pod_spec["containers"] if c["name"] == container)
    reference = {"secretKeyRef": {"name": source.secret, "key": source.secret_key}}
    mount = {"name": _PASSFILE_VOLUME, "mountPath": PASSFILE_DIRECTORY}
    init = {
        "name": "passfile",
        "image": server["image"],
        "command": list(source.passfile_command),
        "env": [{"name": PASSWORD_VARIABLE, "valueFrom": reference}],
        "volumeMounts": [mount],
        "securityContext": container_security(server_user(pod_spec, server, owner)),
    }
    if resources := server.get("resources"):
        init["resources"] = resources
    return {
        "initContainers": [init],
        "containers": [{"name": container, "volumeMounts": [{**mount, "readOnly": True}]}],
        "volumes": [{"name": _PASSFILE_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}],
    }
