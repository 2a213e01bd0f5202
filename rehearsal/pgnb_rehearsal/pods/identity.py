"""Who a container's process is: a user ID, mapped into a user namespace of its own.

A cluster of an ordinary user can map one ID, so all containers have one user. Root can map many: then each
container has the users 0 to 65534, files on volumes belong to whoever wrote them, and an image may start as
root and step down.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from pgnb_rehearsal.pods import syscalls

# In the environment of the processes that the wrapper starts.
MARK = "PGNB_IN_WRAPPER"
# The ID on the host that containers have when root starts the cluster: where the subordinate IDs begin.
_CONTAINERS_ON_HOST = 100_000
# With many users: so many IDs each container has, from 0 up, and so many places there are for larger ones.
_SPAN = 65_535
_LARGE = 4_096


def wrapper_map(host_id: int, foreign_id: int | None, *, many: bool = False) -> str:
    """The lines of uid_map or gid_map for the wrapper of a user with `host_id` (user_namespaces(7)).

    `foreign_id`, which only root can map, becomes the containers' (see foreign_id); with `many`, it is the
    first of theirs.
    """
    own = f"0 {host_id} 1\n"
    return own if foreign_id is None else f"{own}1 {foreign_id} {_SPAN + _LARGE if many else 1}\n"


def first_of_many() -> int | None:
    """The first of the IDs that root gives to containers with many users; None where they can't be mapped."""
    first, last = _CONTAINERS_ON_HOST, _CONTAINERS_ON_HOST + _SPAN + _LARGE
    whole = any(start <= first and last <= start + size for start, _, size in _ranges())
    return first if os.geteuid() == 0 and whole else None


def many_users() -> bool:
    """Whether containers have many users; asked below the wrapper's PID 1."""
    return in_wrapper() and max(size for _, _, size in _ranges()) >= _SPAN


def place(number: int) -> int:
    """The ID in the wrapper of a container's user or group, where there are many."""
    return 1 + (number if number < _SPAN else _SPAN + number % _LARGE)


def foreign_id() -> int | None:
    """The ID that root gives to the containers, so that their processes are never the host's root.

    Where this machine is itself a user namespace without the usual ID, it is the highest that is mapped; None
    for an ordinary user, who may map nobody but himself.
    """
    if os.geteuid() != 0:
        return None
    ranges = _ranges()
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


def _ranges() -> list[tuple[int, int, int]]:
    """The lines of this process's uid_map: first ID here, first ID outside, how many."""
    lines = [[int(field) for field in line.split()] for line in _uid_map().splitlines()]
    return [(inside, outside, size) for inside, outside, size in lines]


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


def become_one_of_many(uid: int, gid: int, groups: Sequence[int]) -> None:
    """Enter a new user namespace with many users, as one of them; as root it may change to any other."""
    told, tell = os.pipe()
    writer = os.fork()
    if writer == 0:
        os.close(tell)
        _map_many(os.getppid(), uid, gid, told)
    os.close(told)
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    os.write(tell, b"g")
    os.close(tell)
    _, status = os.waitpid(writer, 0)
    if status:
        raise OSError(errno.EPERM, "the container's ID map cannot be written")
    os.setgroups([gid, *groups])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    syscalls.set_dumpable()


def _map_many(process: int, uid: int, gid: int, told: int) -> NoReturn:
    """Write a process's maps from the namespace around: only there somebody may map more than himself."""
    try:
        os.read(told, 1)
        for name, number in (("uid_map", uid), ("gid_map", gid)):
            large = f"{number} {place(number)} 1\n" if number >= _SPAN else ""
            Path(f"/proc/{process}/{name}").write_text(f"0 {place(0)} {_SPAN}\n{large}")
        os._exit(0)
    finally:
        os._exit(1)


def drop_groups() -> None:
    """Give up the supplementary groups, where that is allowed."""
    try:
        os.setgroups([])
    except PermissionError:
        # An ordinary user's namespace denies setgroups (user_namespaces(7)); the groups are not mapped, and
        # show as nogroup.
        return
