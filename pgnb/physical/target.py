"""A standby's target: its workload, its volume, and the present content of its data directory."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Protocol

from pgnb.cluster import Cluster, ExecResult, HelperPod, Mount, Pod, Workload
from pgnb.cluster.helper_spec import START
from pgnb.cluster.security import User, server_user, volume_group
from pgnb.core.errors import NotFound, ParameterError
from pgnb.physical import scripts
from pgnb.physical.data_directory import DataDirectory

_LOOK = 1800.0
"""Seconds to inspect a volume, where the sizes of directories are counted file by file."""


class Run(Protocol):
    """Run an argv in a container that has mounted a volume."""

    def __call__(self, argv: Sequence[str], *, timeout: float) -> ExecResult:
        """Return its output; `timeout` in seconds. Raises if it fails, or takes longer."""


_KINDS = ("Deployment", "StatefulSet")
_CONFIG_FILE = "config_file"
_SHELLS = ("sh", "bash", "dash", "ash", "busybox")
_SCRIPT = re.compile("-[a-z]*c")


@dataclass(frozen=True)
class Target:
    """A standby's workload and volume. `pod` is the workload's template as a pod; nothing needs to run.

    `data_directory` and `mount` are paths in the server's container, `claim` the PersistentVolumeClaim there.
    """

    workload: Workload
    pod: Pod = field(repr=False)
    data_directory: str
    mount: Mount
    start_timeout: float = START
    """Seconds within which a helper pod on its volume must run."""

    @property
    def claim(self) -> str:
        """The claim that holds the data directory."""
        return self.mount.claim

    @property
    def name(self) -> str:
        """`deployment/NAME`."""
        return self.workload.label

    @property
    def root(self) -> str:
        """The mount point in a helper pod, which mounts the whole volume without a subPath."""
        return self.mount.path

    @property
    def directory(self) -> str:
        """The data directory in a helper pod, including the subPath of the server's mount."""
        inside = self.data_directory.removeprefix(self.mount.path).strip("/")
        return "/".join(part for part in (self.mount.path, self.mount.sub_path.strip("/"), inside) if part)

    @property
    def new(self) -> str:
        """Where the base backup is made, on the same volume."""
        return self._beside("new")

    @property
    def old(self) -> str:
        """Where the old data directory stays until the standby streams."""
        return self._beside("old")

    def _beside(self, what: str) -> str:
        return (
            f"{self.directory}/.pgnb-{what}"
            if self.directory == self.root
            else f"{self.directory}.pgnb-{what}"
        )

    def helper(self, prefix: str, argv: Sequence[str], *, uid: int, gid: int) -> HelperPod:
        """Return a helper pod on the target's volumes, with placement and privileges of the server's pod.

        Other claims that the server writes to are mounted at the same paths, since pg_wal or a tablespace
        may be a link into one. They do not decide the helper pod's node, since many pods may share them.
        """
        user = self.user(User(uid, gid))
        mounts = [m for m in self.pod.mounts if m.claim and not m.read_only and not m.varies]
        others = [m for m in mounts if m.path != self.mount.path]
        claims = {**{m.path: m.claim for m in others}, self.mount.path: self.claim}
        spec = HelperPod(
            prefix,
            self.pod.image,
            tuple(argv),
            claims=claims,
            sub_paths={m.path: m.sub_path for m in others if m.sub_path},
            pinned_by=self.claim,
            uid=user.uid,
            gid=user.gid,
            fs_group=volume_group(self.pod.spec, self.pod.container_spec, user),
            start_timeout=self.start_timeout,
        )
        return spec.like(self.pod)

    def user(self, owner: User) -> User:
        """Return the user of the server's processes; `owner` owns its data directory."""
        return server_user(self.pod.spec, self.pod.container_spec, owner)

    def options(self) -> tuple[str, ...]:
        """Return the settings on the server's command line (`-c name=value`), without config_file."""
        pairs = [f"{name}={value}" for name, value in self._settings if name != _CONFIG_FILE]
        return tuple(part for pair in pairs for part in ("-c", pair))

    @property
    def configured_elsewhere(self) -> bool:
        """Whether the server reads another postgresql.conf than that in its data directory."""
        named = [value for name, value in self._settings if name == _CONFIG_FILE]
        return bool(named) and named[-1] != f"{self.data_directory}/postgresql.conf"

    @property
    def _settings(self) -> list[tuple[str, str]]:
        """Settings on the command line: `-c name=value`, `-cname=value` and `--name=value`."""
        spec = self.pod.container_spec
        words = _without_script([*(spec.get("command") or []), *(spec.get("args") or [])])
        pairs = [b for a, b in pairwise(words) if a == "-c" and "=" in b]
        pairs += [word[2:] for word in words if word.startswith(("-c", "--")) and "=" in word]
        split = [pair.partition("=")[::2] for pair in pairs]
        return [(name.replace("-", "_"), value) for name, value in split]

    def reload(self, cluster: Cluster) -> Target:
        """Return the same target, with its workload read again."""
        return replace(self, workload=cluster.find_workload(self.workload.kind, self.workload.name))


def _without_script(words: Sequence[str]) -> Sequence[str]:
    """Return a command line without a shell's script (`bash -c SCRIPT`) that runs before the server."""
    shell = bool(words) and words[0].rpartition("/")[2] in _SHELLS
    script = next((n for n, word in enumerate(words) if shell and _SCRIPT.fullmatch(word)), None)
    return words if script is None else words[script + 2 :]


def find_target(
    cluster: Cluster, name: str, *, container: str = "", data_directory: str = ""
) -> Target | None:
    """Find the Deployment or StatefulSet of that name as a target; None if there is none.

    Raises ParameterError if its data are not persistent, or if its data directory is unknown.
    """
    workload = find_workload(cluster, name)
    if workload is None:
        return None
    return target_of(cluster, workload, container=container, data_directory=data_directory)


def target_of(
    cluster: Cluster, workload: Workload, *, container: str = "", data_directory: str = ""
) -> Target:
    """Return a workload as a target. Raises as `find_target` does."""
    pod = template_pod(workload, container)
    directory = data_directory or _data_directory(cluster, workload, pod)
    mount = pod.mount_of(directory)
    if mount is None or not mount.claim:
        where = f"{mount.source} at {mount.path}" if mount else "the image"
        raise ParameterError(
            f"the data of {workload.label} would be lost with its pod",
            found=f"{directory} is in {where}",
            remedy="Mount a PersistentVolumeClaim there.",
        )
    return Target(workload, pod, directory, mount)


def find_workload(cluster: Cluster, name: str) -> Workload | None:
    """Return the Deployment or StatefulSet of that name, if any."""
    for kind in _KINDS:
        try:
            return cluster.find_workload(kind, name)
        except NotFound:
            continue
    return None


def template_pod(workload: Workload, container: str = "") -> Pod:
    """Return the pod that the workload would create (a StatefulSet's first), without name or state."""
    template = workload.object["spec"]["template"]
    claimed = [
        _claim_volume(t, workload.name) for t in workload.object["spec"].get("volumeClaimTemplates") or []
    ]
    spec: dict[str, Any] = {**template["spec"]}
    spec["volumes"] = [*(spec.get("volumes") or []), *claimed]
    meta = {"name": workload.name, "uid": "", "labels": (template.get("metadata") or {}).get("labels") or {}}
    return Pod.of({"metadata": meta, "spec": spec, "status": {}}, container)


def _claim_volume(template: Mapping[str, Any], workload: str) -> Mapping[str, Any]:
    name = template["metadata"]["name"]
    return {"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{workload}-0"}}


def _data_directory(cluster: Cluster, workload: Workload, pod: Pod) -> str:
    """Return PGDATA of the container's env, or of a container that runs its image."""
    if found := data_directory_named(pod):
        return found
    if found := _asked(cluster, workload, pod).strip():
        return found.rstrip("/")
    raise ParameterError(
        f"the data directory of {workload.label} is unknown",
        found="neither the container's env nor its image sets PGDATA",
        remedy="Set PGDATA in its container's env.",
    )


def data_directory_named(pod: Pod) -> str:
    """Return PGDATA of the container's env; empty if it is not set there."""
    return next((env.value for env in pod.env if env.name == "PGDATA" and env.value), "").rstrip("/")


def _asked(cluster: Cluster, workload: Workload, pod: Pod) -> str:
    """Read PGDATA in the running container, else in a helper pod; empty if neither is possible."""
    argv = ("printenv", "PGDATA")
    running = [p for p in cluster.pods(workload.selector, pod.container) if p.started_at and not p.deleting]
    if running:
        return cluster.exec(running[0], argv, check=False).text
    if cluster.dry_run:
        return ""
    return cluster.run_helper(HelperPod("pgnb-inspect", pod.image, argv).like(pod), check=False).text


def inspect(
    run: Run,
    data_directory: str,
    mount: str,
    bin_dir: str,
    where: Callable[[DataDirectory], Sequence[str]] = lambda leads: (),
) -> DataDirectory:
    """Inspect a data directory; `run` runs an argv in a container that has mounted the volume.

    `where` returns, for the links found, the places that are inspected, too: where the next base backup
    puts pg_wal and tablespaces.
    """
    leads = run(scripts.argv("outside", "leads", args=(data_directory, mount)), timeout=_LOOK).text
    arguments = (data_directory, mount, bin_dir, *where(DataDirectory.of(leads)))
    found = run(
        scripts.argv("libc", "outside", "inspect", args=arguments),
        timeout=_LOOK,
    ).text
    return DataDirectory.of(f"{leads}\n{found}")
