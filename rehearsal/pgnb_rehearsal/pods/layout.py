"""What stands where in a container: files, directories and environment, from image and specification."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pgnb_rehearsal.pods.container import ContainerSpec
from pgnb_rehearsal.pods.images import POSTGRES_ID
from pgnb_rehearsal.pods.rootfs import MountPoint, Root

_NOBODY = 65534
_HOMES = {0: "/root", POSTGRES_ID: "/var/lib/postgresql"}
_OF_EVERY_IMAGE = {
    0: "root:x:0:0:root:/root:/bin/bash",
    _NOBODY: f"nobody:x:{_NOBODY}:{_NOBODY}:nobody:/nonexistent:/usr/sbin/nologin",
}
# Whoever runs as root expects to write anywhere in the container's own file system.
_ROOTS_OWN = ("/", "/etc", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/usr/local", "/var")


def environment(spec: ContainerSpec, hostname: str) -> dict[str, str]:
    """The container's environment: the image's, then the pod's; HOME from the user, as runc does."""
    home = {"HOME": _HOMES.get(spec.uid, "/")}
    return {**home, **spec.image.env, "HOSTNAME": hostname, **spec.env}


def root_of(spec: ContainerSpec, hostname: str, hosts: Path) -> Root:
    """The root file system for `spec`, as plain data for the process that builds it."""
    image, copies = spec.image, spec.image.initdb_copies
    cache = [] if copies is None else [_mount_point(copies, "/var/cache/initdb", read_only=False)]
    return Root(
        files=_files(spec, hostname),
        programs={target: str(source) for target, source in image.programs.items()},
        links=dict(image.links),
        writable=_writable(spec),
        volumes=list(image.volumes),
        install=[_mount_point(source, target, read_only=True) for source, target in image.binds],
        mounts=[
            _mount_point(hosts, "/etc/hosts", read_only=False),
            *cache,
            *(_mount_point(mount.source, mount.target, read_only=mount.read_only) for mount in spec.mounts),
        ],
        read_only=spec.read_only,
    )


def _mount_point(source: Path, target: str, *, read_only: bool) -> MountPoint:
    return MountPoint(source=str(source), target=target, read_only=read_only)


def _writable(spec: ContainerSpec) -> dict[str, int]:
    modes: dict[str, int] = dict.fromkeys(_ROOTS_OWN, 0o755) if spec.uid == 0 else {}
    modes |= {"/tmp": 0o1777, "/var/tmp": 0o1777, "/run/lock": 0o1777}
    return modes | dict(spec.image.directories) | dict.fromkeys(spec.image.volumes, 0o1777)


def _files(spec: ContainerSpec, hostname: str) -> dict[str, str]:
    named = spec.image.names_user
    return {
        "/etc/passwd": passwd(spec.uid, spec.gid) if named else _lines(_OF_EVERY_IMAGE.values()),
        "/etc/group": group(spec.gid) if named else "root:x:0:\n",
        "/etc/hostname": f"{hostname}\n",
        "/etc/resolv.conf": "",
        # Names come from /etc/hosts alone: an unknown one is unknown at once, and no resolver is asked.
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\n",
    }


def passwd(uid: int, gid: int) -> str:
    """/etc/passwd of the image, with an entry for `uid` if it has none: initdb asks for the user's name."""
    postgres = f"postgres:x:{POSTGRES_ID}:{POSTGRES_ID}::/var/lib/postgresql:/bin/bash"
    entries = {**_OF_EVERY_IMAGE, POSTGRES_ID: postgres}
    entries.setdefault(uid, f"user{uid}:x:{uid}:{gid}::/:/bin/bash")
    return _lines(entries.values())


def group(gid: int) -> str:
    """/etc/group of the image, with an entry for `gid` if it has none."""
    names = {0: "root", POSTGRES_ID: "postgres", _NOBODY: "nogroup"}
    names.setdefault(gid, f"group{gid}")
    return _lines(f"{name}:x:{number}:" for number, name in names.items())


def _lines(entries: Iterable[str]) -> str:
    return "".join(f"{entry}\n" for entry in entries)
