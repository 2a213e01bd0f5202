"""A container's root file system: a tmpfs, the machine's /usr read-only in it, and the pod's mounts.

It lives as long as the container: whoever restarts a container starts from a fresh one. Only what is listed
here is visible; the machine's home directories, configuration and other data are not.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TypedDict

from pgnb_rehearsal.pods import syscalls

_OLD = Path("/.old")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_TOP_LEVEL = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# What programs in /usr need of the machine's /etc to run at all.
_FROM_ETC = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
# What the image has of its own; /usr/lib is filled entry by entry, so that it can have postgresql in it.
_OWN = ("/usr/local", "/usr/lib", "/usr/lib/postgresql")


class MountPoint(TypedDict):
    """One bind mount: a file or directory of the machine, and where it stands in the container."""

    source: str
    target: str
    read_only: bool


class Root(TypedDict):
    """What a container's root is made of.

    `files`: path → text, readable by all; `programs`: path → source, executable; `links`: path → target;
    `writable`: directories that belong to the container's user, with their mode; `install`: read-only binds
    of the image's software; `mounts`: the pod's. `read_only`: nothing but `mounts` and the image's `volumes`
    can be written.
    """

    files: dict[str, str]
    programs: dict[str, str]
    links: dict[str, str]
    writable: dict[str, int]
    install: list[MountPoint]
    mounts: list[MountPoint]
    volumes: list[str]
    read_only: bool


def build(root: Root, owner: int, working_dir: str) -> None:
    """Make the root file system and leave the machine's; runs in a new mount namespace of its own.

    `owner` is the ID that the writable directories get; `working_dir` is made where it is missing.
    FileNotFoundError when a mount's source is missing.
    """
    binds = [*root["install"], *sorted(root["mounts"], key=_depth)]
    sources = [_source(mount) for mount in binds]
    _pivot()
    _system()
    _devices()
    _directories(root["writable"], owner)
    _contents(root)
    if root["read_only"]:
        _own_file_systems(root["volumes"], owner)
    for mount, source in zip(binds, sources, strict=True):
        _bind(_old(source), Path(mount["target"]), read_only=mount["read_only"])
    syscalls.detach(str(_OLD))
    _OLD.rmdir()
    Path(working_dir).mkdir(parents=True, exist_ok=True)
    if root["read_only"]:
        syscalls.make_read_only("/")


def _source(mount: MountPoint) -> Path:
    path = Path(mount["source"])
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return path.resolve()


def _depth(mount: MountPoint) -> int:
    """Outer mounts come first, as container runtimes sort them."""
    return len(Path(mount["target"]).parts)


def _old(path: Path | str) -> Path:
    """Where a path of the machine is found while the root is built."""
    return Path(f"{_OLD}{path}")


def _pivot() -> None:
    """Make a fresh tmpfs the root, with the machine's root at _OLD until the end."""
    place = "/usr"  # any directory does: the tmpfs moves from it to the root
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("tmpfs", place, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755")
    Path(f"{place}{_OLD}").mkdir()
    syscalls.pivot_root(place, f"{place}{_OLD}")
    os.chdir("/")


def _system() -> None:
    """/proc of the container's own PID namespace, and the machine's programs and libraries."""
    for name in ("proc", "usr", "etc"):
        Path("/", name).mkdir()
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("proc", "/proc", "proc", flags)
    for path in [*_names("/usr"), *_names("/usr/lib"), *_TOP_LEVEL, *_FROM_ETC]:
        _show(path)
    for path in _OWN:
        Path(path).mkdir(exist_ok=True)


def _names(directory: str) -> list[str]:
    return sorted(f"{directory}/{entry.name}" for entry in _old(directory).iterdir())


def _show(path: str) -> None:
    """Show a file or directory of the machine, read-only, unless the image has its own."""
    source, target = _old(path), Path(path)
    if path in _OWN:
        target.mkdir()
    elif source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.exists():
        _bind(source, target, read_only=True)


def _devices() -> None:
    Path("/dev").mkdir()
    for name in _DEVICES:
        _bind(_old(f"/dev/{name}"), Path("/dev", name), read_only=False)
    for name, target in _DEVICE_LINKS.items():
        Path("/dev", name).symlink_to(target)
    flags = syscalls.MS_NOSUID | syscalls.MS_NOEXEC
    Path("/dev/pts").mkdir()
    syscalls.mount("devpts", "/dev/pts", "devpts", flags, "newinstance,ptmxmode=0666,mode=620")
    Path("/dev/shm").mkdir()
    syscalls.mount("shm", "/dev/shm", "tmpfs", flags | syscalls.MS_NODEV, "mode=1777,size=64m")


def _directories(writable: dict[str, int], owner: int) -> None:
    for name in ("root", "var", "run", "srv", "mnt", "opt", "home", "media"):
        Path("/", name).mkdir()
    Path("/var/run").symlink_to("../run")
    for name, mode in writable.items():
        path = Path(name)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        os.chown(path, owner, owner)


def _own_file_systems(volumes: list[str], owner: int) -> None:
    """The image's volumes, as a container runtime mounts them: they can be written under a read-only root."""
    for name in volumes:
        syscalls.mount("tmpfs", name, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=1777")
        os.chown(name, owner, owner)


def _contents(root: Root) -> None:
    for name, text in root["files"].items():
        _place(name).write_text(text)
    for name, source in root["programs"].items():
        program = _place(name)
        program.write_bytes(_old(source).read_bytes())
        program.chmod(0o755)
    for name, target in root["links"].items():
        if not os.path.lexists(name):  # the machine's own /bin, /lib, … come first
            _place(name).symlink_to(target)


def _place(name: str) -> Path:
    """The path, with all directories above it."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _bind(source: Path, target: Path, *, read_only: bool) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        _place(str(target)).touch()
    syscalls.bind(str(source), str(target), read_only=read_only)
