"""The volumes of one pod: set up on the node's disk, refreshed, and mounted into containers.

Files made from objects lie in `memory` (a tmpfs on the node: no Secret reaches a disk), emptyDirs in `disk`,
and a claim's data where its PersistentVolume says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.node.atomic import AtomicVolume
from pgnb_rehearsal.node.environment import ConfigError, expand
from pgnb_rehearsal.node.volume_sources import MountError, Origins, Payload, payload, refers_to
from pgnb_rehearsal.pods.container import Mount
from pgnb_rehearsal.pods.identity import place


@dataclass(frozen=True)
class Place:
    """Where the volumes of one pod lie, and the user and group ID that containers' files have there.

    With many users `owner` is the containers' root, and groups and modes are as on a node.
    """

    memory: Path
    disk: Path
    owner: int
    many: bool = False


class PodVolumes:
    """The volumes of the pod that `origins` names."""

    def __init__(self, origins: Origins, place: Place) -> None:
        self._origins = origins
        self._place = place
        self._atomic: dict[str, AtomicVolume] = {}
        self._sources: dict[str, Path] = {}

    def set_up(self) -> None:
        """Make what is not there yet; MountError for the first volume that cannot be made."""
        for volume in self._origins.pod["spec"].get("volumes") or ():
            if volume["name"] not in self._sources:
                self._sources[volume["name"]] = self._made(volume)
        self._assert_once()

    def _assert_once(self) -> None:
        """A kubelet mounts a claim for one volume of a pod, and waits in vain for a second one of it."""
        seen: set[str] = set()
        for volume in self._origins.pod["spec"].get("volumes") or ():
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName", "")
            if claim in seen:
                raise MountError(
                    f"Unable to attach or mount volumes: unmounted volumes=[{volume['name']}],"
                    " unattached volumes=[], failed to process volumes=[]: context deadline exceeded"
                )
            seen |= {claim} if claim else set()

    def refresh(self, plural: str, name: str) -> None:
        """Show what a ConfigMap or Secret holds now, in every volume made from it.

        Files of an object that is gone stay as they are, as they do on a real node.
        """
        for volume in self._origins.pod["spec"].get("volumes") or ():
            shown = self._atomic.get(volume["name"])
            if shown is None or (plural, name) not in refers_to(volume):
                continue
            try:
                shown.show(self._files(volume) or {})
            except MountError:
                # Deleted, or a key taken away: kubelet reports it with its next sync and keeps the files.
                continue

    def mounts(self, container: Object, variables: Mapping[str, str]) -> tuple[Mount, ...]:
        """A container's mounts; ConfigError for a subPath that leads out of its volume."""
        by_name = {volume["name"]: volume for volume in self._origins.pod["spec"].get("volumes") or ()}
        return tuple(
            self._mount(mount, by_name[mount["name"]], variables)
            for mount in container.get("volumeMounts") or ()
        )

    # -- one volume ----------------------------------------------------------------------------------------

    def _made(self, volume: Object) -> Path:
        name = volume["name"]
        try:
            files = self._files(volume)
            if files is not None:
                path, owner = self._place.memory / name, self._place.owner
                self._atomic[name] = AtomicVolume(path, owner, self._group())
                self._atomic[name].show(files)
                return self._atomic[name].path
            return self._directory(volume)
        except MountError as error:
            raise MountError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from None

    def _files(self, volume: Object) -> Payload | None:
        files = payload(volume, self._origins)
        if files is None:
            return None
        spec = self._origins.pod["spec"]
        rooted = self._place.many or any(runs_as_root(spec, container) for container in spec["containers"])
        grouped = "fsGroup" in (spec.get("securityContext") or {})
        return {
            name: replace(file, mode=effective_mode(file.mode, grouped=grouped, rooted=rooted))
            for name, file in files.items()
        }

    def _directory(self, volume: Object) -> Path:
        if (empty := volume.get("emptyDir")) is not None:
            memory = empty.get("medium") == "Memory"
            path = (self._place.memory if memory else self._place.disk) / volume["name"]
            return self._grouped(self._shared(path))
        if (claim := volume.get("persistentVolumeClaim")) is not None:
            return self._shared(self._path_of_claim(claim["claimName"]))
        kind = next((key for key in volume if key != "name"), "unknown")
        raise MountError(f"volumes of type {kind} are not offered by the rehearsal cluster")

    def _shared(self, path: Path) -> Path:
        """A directory that everybody may write into, as a provisioner of local paths makes it."""
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(0o777)
            os.chown(path, self._place.owner, self._place.owner)
        return path

    def _group(self) -> int:
        """The ID of the pod's fsGroup, where there are many; else that of all containers."""
        group = (self._origins.pod["spec"].get("securityContext") or {}).get("fsGroup")
        return place(int(group)) if self._place.many and group is not None else self._place.owner

    def _grouped(self, path: Path) -> Path:
        """An emptyDir with the pod's fsGroup; a claim's directory is left as it is, as a hostPath's is."""
        if self._group() != self._place.owner:
            os.chown(path, self._place.owner, self._group())
            path.chmod(0o2777)
        return path

    def _path_of_claim(self, name: str) -> Path:
        store, namespace = self._origins.store, self._origins.pod["metadata"]["namespace"]
        claim = store.find("persistentvolumeclaims", namespace, name)
        if claim is None:
            raise MountError(f'persistentvolumeclaim "{name}" not found')
        volume = store.find("persistentvolumes", None, claim["spec"].get("volumeName", ""))
        if volume is None:
            raise MountError(f'persistentvolumeclaim "{name}" is not bound to a persistent volume')
        source = volume["spec"].get("hostPath") or volume["spec"].get("local")
        if source is None:
            raise MountError(f'persistent volume "{volume["metadata"]["name"]}" has no local path')
        return Path(source["path"])

    def _mount(self, mount: Object, volume: Object, variables: Mapping[str, str]) -> Mount:
        source = self._sources[volume["name"]]
        below = mount.get("subPath") or expand(mount.get("subPathExpr") or "", variables)
        if below:
            source = self._below(source, below, volume["name"])
        read_only = (
            bool(mount.get("readOnly"))
            or volume["name"] in self._atomic
            or bool((volume.get("persistentVolumeClaim") or {}).get("readOnly"))
        )
        return Mount(source, mount["mountPath"], read_only)

    def _below(self, source: Path, below: str, name: str) -> Path:
        """What a subPath names, as it is at this moment: a later change of the volume does not reach it."""
        if below.startswith("/") or ".." in PurePosixPath(below).parts:
            raise ConfigError(f'failed to prepare subPath for volumeMount "{name}" of container: {below}')
        path = source / below
        if not path.exists():
            path.mkdir(parents=True)
            os.chown(path, self._place.owner, self._place.owner)
        found = path.resolve()
        if not found.is_relative_to(source.resolve()):
            raise ConfigError(f'failed to prepare subPath for volumeMount "{name}" of container: {below}')
        return found


def runs_as_root(spec: Object, container: Object) -> bool:
    """True when a pod's spec asks for user 0 in a container."""
    own = (container.get("securityContext") or {}).get("runAsUser")
    shared = (spec.get("securityContext") or {}).get("runAsUser")
    return bool((own if own is not None else shared) == 0)


def effective_mode(mode: int, *, grouped: bool, rooted: bool) -> int:
    """The mode of a file in a ConfigMap's or Secret's volume, as the container's process meets it.

    With fsGroup its group may read (0600 becomes 0640, which libpq refuses in a passfile). Without, such a
    file belongs to root. Here all files belong to the container's user: what root's file keeps from others,
    its owner's bits keep from him.
    """
    if grouped:
        return mode | 0o440
    if rooted:
        return mode
    return mode & ~(0o500 & ~(mode << 6))
