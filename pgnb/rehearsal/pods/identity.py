"""Who a container's process is: one user ID, mapped into a user namespace of its own."""

from __future__ import annotations

import os
from pathlib import Path

from pgnb.rehearsal.pods import syscalls

HOST_RANGE_START = 100_000
HOST_RANGE_SIZE = 65_535


def wrapper_map(host_id: int) -> str:
    """The lines of uid_map (and gid_map) for the wrapper of a user with `host_id` (user_namespaces(7)).

    An ordinary user may map nobody but himself. For root a range is mapped too, so that a container's
    process is never the host's root.
    """
    if host_id == 0:
        return f"0 0 1\n1 {HOST_RANGE_START} {HOST_RANGE_SIZE}\n"
    return f"0 {host_id} 1\n"


def container_id_in_wrapper() -> int:
    """The ID of containers' processes in the wrapper's namespace, asked in the wrapper or by its maker."""
    inside = not _is_first_namespace(_uid_map())
    has_range = len(_uid_map().splitlines()) > 1 if inside else os.geteuid() == 0
    return 1 if has_range else 0


def container_id() -> int:
    """The ID, as the calling process sees it, that containers' processes and volumes belong to."""
    if not _is_first_namespace(_uid_map()):
        return container_id_in_wrapper()
    return HOST_RANGE_START if os.geteuid() == 0 else os.geteuid()


def _uid_map() -> str:
    return Path("/proc/self/uid_map").read_text()


def _is_first_namespace(uid_map: str) -> bool:
    return uid_map.split() == ["0", "0", str(2**32 - 1)]


def give_to_containers(path: Path) -> None:
    """Make `path` and all below it the containers' own, as the volumes' files have to be."""
    owner = container_id()
    for directory, _, files in os.walk(path):
        os.chown(directory, owner, owner)
        for name in files:
            os.chown(Path(directory, name), owner, owner, follow_symlinks=False)


def become(uid: int, gid: int, owner: int) -> None:
    """Enter a new user namespace as `uid`:`gid`; execve then leaves no capabilities, unless `uid` is 0.

    `owner` is the process's ID in the namespace around (see container_id).
    """
    drop_groups()
    os.setresgid(owner, owner, owner)
    os.setresuid(owner, owner, owner)
    syscalls.set_dumpable()
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {owner} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {owner} 1")


def drop_groups() -> None:
    """Give up the supplementary groups, where that is allowed."""
    try:
        os.setgroups([])
    except PermissionError:
        # An ordinary user's namespace denies setgroups (user_namespaces(7)); the groups are not mapped, and
        # show as nogroup.
        return
