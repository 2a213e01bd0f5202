"""From a container's spec to what the runtime starts: image, user, environment, command line, mounts."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.node.environment import ConfigError, EnvContext, command_line, environment, expand
from pgnb_rehearsal.node.node_context import NodeContext
from pgnb_rehearsal.node.volumes import PodVolumes
from pgnb_rehearsal.pods.container import ContainerSpec, Mount
from pgnb_rehearsal.pods.images import Image

_MESSAGE_PATH = "/dev/termination-log"


@dataclass
class ContainerSpecs:
    """What the containers of `pod` are made with; `pod` is its latest version, with its addresses."""

    pod: Object
    context: NodeContext
    volumes: PodVolumes

    def spec(self, container: Object, image: Image, run: int) -> ContainerSpec:
        """The runtime's spec for a container's `run` (counted from 0); ConfigError when it can't be made."""
        around = EnvContext(self.context.store, self.pod, self.context.allocatable)
        variables = environment(container, around)
        uid, gid = user(self.pod, container, image)
        log = self.context.directories.log(self.pod["metadata"]["uid"], container["name"], run)
        log.parent.mkdir(parents=True, exist_ok=True)
        return ContainerSpec(
            name=container["name"],
            image=image,
            argv=command_line(container, variables, image.entrypoint, image.command),
            env=variables,
            working_dir=expand(container.get("workingDir") or "", variables),
            mounts=(*self.volumes.mounts(container, variables), self._message(container)),
            uid=uid,
            gid=gid,
            log=log,
            tty=bool(container.get("tty")),
            groups=groups(self.pod),
            read_only=bool((container.get("securityContext") or {}).get("readOnlyRootFilesystem")),
        )

    def _message(self, container: Object) -> Mount:
        """An empty file in which the container may write its termination message."""
        directories = self.context.directories
        path = directories.message(self.pod["metadata"]["uid"], container["name"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        os.chown(path, directories.owner, directories.owner)
        path.chmod(0o666)
        return Mount(path, container.get("terminationMessagePath") or _MESSAGE_PATH, False)


def groups(pod: Object) -> tuple[int, ...]:
    """The supplementary groups of a pod's containers: that of its volumes, and those that it names."""
    context = pod["spec"].get("securityContext") or {}
    named = [context.get("fsGroup"), *(context.get("supplementalGroups") or ())]
    return tuple(int(group) for group in named if group is not None)


def user(pod: Object, container: Object, image: Image) -> tuple[int, int]:
    """User and group ID: the container's securityContext, the pod's, the image's.

    ConfigError when runAsNonRoot forbids the user.
    """
    contexts = (container.get("securityContext") or {}, pod["spec"].get("securityContext") or {})
    uid = _first(contexts, "runAsUser")
    gid = _first(contexts, "runAsGroup")
    chosen = image.uid if uid is None else int(uid)
    if _first(contexts, "runAsNonRoot") and chosen == 0:
        metadata = pod["metadata"]
        named = f'pod: "{metadata["name"]}_{metadata["namespace"]}({metadata["uid"]})"'
        text = "container's runAsUser breaks non-root policy"
        if uid is None:
            text = "container has runAsNonRoot and image will run as root"
        raise ConfigError(f"{text} ({named}, container: {container['name']})")
    if gid is None:
        gid = image.gid if uid is None or chosen == image.uid else 0
    return chosen, int(gid)


def _first(contexts: tuple[Object, ...], name: str) -> int | bool | None:
    return next((context[name] for context in contexts if context.get(name) is not None), None)
