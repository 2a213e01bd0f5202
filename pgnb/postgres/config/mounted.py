"""A configuration file mounted from a ConfigMap: change the object, then wait for the mounted text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pgnb.cluster import Cluster, Mount
from pgnb.core.errors import ChangeFailed, ParameterError
from pgnb.core.plan import Step
from pgnb.core.wait import wait_until
from pgnb.postgres.config.files import read_file
from pgnb.postgres.server import Server

MOUNT_DEADLINE = 180.0
"""Seconds; a kubelet's ConfigMap volume follows the object about a minute later, or more."""


@dataclass(frozen=True)
class MountedKey:
    """The key of a ConfigMap that a path in the container shows."""

    config_map: str
    key: str
    path: str


def config_map_of(server: Server, path: str) -> MountedKey:
    """Return the ConfigMap's key for a path in the server's container.

    Raises ParameterError if there is none, or if it is mounted by subPath, which is never updated.
    """
    mount = server.pod.mount_of(path)
    if mount is None or mount.source != "configMap":
        raise ParameterError(
            f"{path} of {server.name} cannot be written, and is not mounted from a ConfigMap",
            found=f"mounted from {mount.source if mount else 'the image'}",
            remedy="Change it where it is generated.",
        )
    if mount.sub_path:
        raise ParameterError(
            f"{path} of {server.name} is mounted by subPath, so the running pod never sees a change",
            found=f"ConfigMap {mount.name}, key {mount.sub_path}",
            remedy="Mount the whole ConfigMap as a directory, which needs one restart.",
        )
    return MountedKey(mount.name, _key_of(server, mount, path), path)


def followed_key(server: Server, path: str) -> MountedKey | None:
    """Return the ConfigMap's key that the file follows while the pod runs; None if there is none."""
    if not server.present:
        return None
    mount = server.pod.mount_of(path)
    follows = mount is not None and mount.source == "configMap" and not mount.sub_path
    return config_map_of(server, path) if follows else None


def text_of(server: Server, mounted: MountedKey) -> str:
    """Return the key's text in the object, which the file follows up to a minute later.

    Raises ParameterError if the object or the key was deleted: a kubelet keeps showing the last text, and the
    next pod would not start.
    """
    found = server.cluster.get("configmaps", mounted.config_map) or {}
    data: Mapping[str, str] = found.get("data") or {}
    if mounted.key not in data:
        raise ParameterError(
            f"{mounted.path} of {server.name} is mounted from a ConfigMap key that does not exist",
            found=f"configmap/{mounted.config_map} has no key {mounted.key} in its data",
            remedy="Restore it first, with the text that the file still shows: the next pod needs it.",
        )
    return data[mounted.key]


def _key_of(server: Server, mount: Mount, path: str) -> str:
    """Return the key of a path, which may have another name in the volume (`items`)."""
    shown = str(PurePosixPath(path).relative_to(mount.path))
    volumes = server.pod.spec.get("volumes") or []
    volume: Mapping[str, Any] = next((v for v in volumes if v["name"] == mount.volume), {})
    items = (volume.get("configMap") or {}).get("items") or []
    return next((str(item["key"]) for item in items if item["path"] == shown), shown)


def manifest_of(cluster: Cluster, name: str, changed: Mapping[str, str]) -> dict[str, Any]:
    """Return a ConfigMap's manifest with some keys changed.

    It contains every existing key, because server-side apply removes keys that it once set and that a later
    manifest leaves out.
    """
    found = cluster.get("configmaps", name) or {}
    data = {**(found.get("data") or {}), **changed}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def wait_mounted(server: Server, path: str, text: str, *, timeout: float = MOUNT_DEADLINE) -> str:
    """Wait until the file in the container has that text. Raises DeadlineExceeded with the difference."""
    wait_until(
        f"{path} of {server.name} to follow its ConfigMap",
        lambda: read_file(server, path),
        lambda now: now == text,
        timeout=timeout,
        every=0.5,
        describe=lambda now: "there" if now == text else "still the old text" if now else "no such file",
        remedy="The kubelet follows within about a minute; a mount by subPath never does.",
    )
    return f"{path} follows the ConfigMap"


def mounted_steps(
    server: Server, mounted: MountedKey, before: str, after: str, errors: Callable[[], list[str]]
) -> list[Step]:
    """Return the steps: change the object, wait for the file, validate; on an error restore the object.

    If the object already has the text, only wait for the file.
    """
    label = f"configmap/{mounted.config_map}"

    def change() -> str:
        _apply(server, mounted, after)
        return "changed"

    def judge() -> str:
        if not (found := errors()):
            return "no error"
        if before != after:
            _apply(server, mounted, before)
        raise ChangeFailed(
            f"{server.name} does not accept the text of {label}",
            found="; ".join(found),
            remedy="The ConfigMap was restored, nothing was reloaded; the file follows within a minute."
            if before != after
            else "Nothing was reloaded. The ConfigMap had this text before this run: correct it there.",
        )

    changing = [Step(label, f"change the key {mounted.key}", change, journalled=True)]
    return [
        *(changing if before != after else []),
        Step(server.name, "wait for the mounted file", lambda: wait_mounted(server, mounted.path, after)),
        Step(server.name, "validate the mounted file", judge),
    ]


def _apply(server: Server, mounted: MountedKey, text: str) -> None:
    manifest = manifest_of(server.cluster, mounted.config_map, {mounted.key: text})
    server.cluster.apply(manifest, force=True)
