"""Who a container's process is: one user ID, mapped into a user namespace of its own."""

from __future__ import annotations

import os
from pathlib import Path

from pgnb.rehearsal.pods import syscalls

# In the environment of the processes that the wrapper starts.
MARK = "PGNB_IN_WRAPPER"
# The ID on the host that containers have when root starts the cluster: where the subordinate IDs begin.
_CONTAINERS_ON_HOST = 100_000


def wrapper_map(host_id: int, foreign_id: int | None) -> str:
    """The lines of uid_map or gid_map for the wrapper of a user with `host_id` (user_namespaces(7)).

    `foreign_id`, which only root can map, becomes the containers' (see foreign_id).
    """
    own = f"0 {host_id} 1\n"
    return own if foreign_id is None else f"{own}1 {foreign_id} 1\n"


def foreign_id() -> int | None:
    """The ID that root gives to the containers, so that their processes are never the host's root.

    Where this machine is itself a user namespace without the usual ID, it is the highest that is mapped; None
    for an ordinary user, who may map nobody but himself.
    """
    if os.geteuid() != 0:
        return None
    ranges = [[int(field) for field in line.split()] for line in _uid_map().splitlines()]
    if any(start <= _CONTAINERS_ON_HOST < start + size for start, _, size in ranges):
        return _CONTAINERS_ON_HOST
    highest = max(start + size - 1 for start, _, size in ranges)
    return highest or None


def container_id_in_wrapper() -> int:
    """The ID of containers' processes in the wrapper's namespace, asked in the wrapper or by its maker."""
    if in_wrapper():
        return 1 if len(_uid_map().splitlines()) > 1 else 0
    return 0 if foreign_id() is None else 1


def container_id() -> int:
    """The ID, as the calling process sees it, that containers' processes and volumes belong to."""
    if in_wrapper():
        return container_id_in_wrapper()
    foreign = foreign_id()
    return os.geteuid() if foreign is None else foreign


def in_wrapper() -> bool:
    """Whether the calling process is the daemon, or another below the wrapper's PID 1."""
    return MARK in os.environ


def _uid_map() -> str:
    return Path("/proc/self/uid_map").read_text()


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
