"""Images that are made of a directory of the machine, so that none has to be built or pulled.

    DIRECTORY/config.json   the image's configuration (OCI image specification): its `config` says Entrypoint,
                            Cmd, Env, User, WorkingDir, StopSignal and Volumes
    DIRECTORY/rootfs/       its files

The files stand, read-only, on the machine's own programs and libraries, as those of `postgres` do: the image
needs no shell and no C library of its own, and a directory that it has hides the machine's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pgnb_rehearsal.pods import images
from pgnb_rehearsal.pods.errors import ImageNotFound
from pgnb_rehearsal.pods.images import Image

_SHARED = frozenset(
    {"/etc", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/usr", "/usr/lib", "/usr/local"}
    | {"/var", "/var/lib"}
)
"""Directories of every container, of which an image adds its own entries."""
_MADE = frozenset(
    {"/dev", "/proc", "/sys", "/tmp", "/var/run", "/var/tmp", "/etc/hostname", "/etc/hosts"}
    | {"/etc/resolv.conf", "/etc/nsswitch.conf"}
)
"""What the runtime makes in each container, whatever the image has there."""
_USER = re.compile(r"(?P<uid>\d+)(?::(?P<gid>\d+))?|")


def read(name: str, directory: Path) -> Image:
    """The image that `directory` holds, called `name`; ImageNotFound says what it lacks."""
    text, rootfs = _text(name, directory), directory.resolve() / "rootfs"
    config = _config(name, directory, text)
    uid, gid = _user(name, directory, str(config.get("User") or ""))
    entries = dict(_entries(rootfs))
    return Image(
        name=images.canonical(name),
        image_id="sha256:" + hashlib.sha256(f"{directory.resolve()} {text}".encode()).hexdigest(),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        env=dict(variable.split("=", 1) for variable in config.get("Env") or ()),
        uid=uid,
        gid=gid,
        stop_signal=str(config.get("StopSignal") or "SIGTERM"),
        working_dir=str(config.get("WorkingDir") or "/"),
        volumes=tuple(config.get("Volumes") or ()),
        binds=tuple((path, place) for place, path in entries.items() if not path.is_symlink()),
        links=tuple((place, str(path.readlink())) for place, path in entries.items() if path.is_symlink()),
    )


def _text(name: str, directory: Path) -> str:
    try:
        return (directory / "config.json").read_text("utf-8")
    except OSError as error:
        raise _unusable(name, directory, f"config.json: {error.strerror}") from None


def _config(name: str, directory: Path, text: str) -> Mapping[str, Any]:
    if not (directory / "rootfs").is_dir():
        raise _unusable(name, directory, "no directory rootfs")
    try:
        config = json.loads(text)["config"]
        wrong = [one for one in config.get("Env") or () if "=" not in one]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise _unusable(name, directory, "config.json has no object `config`") from None
    if wrong:
        raise _unusable(name, directory, f"Env has {wrong[0]!r}, which is no NAME=VALUE")
    return dict(config)


def _user(name: str, directory: Path, user: str) -> tuple[int, int]:
    """User and group ID; root, where the configuration says nothing."""
    match = _USER.fullmatch(user)
    if match is None:
        raise _unusable(name, directory, f"User is {user!r}, which is not of numbers")
    return int(match["uid"] or 0), int(match["gid"] or 0)


def _entries(rootfs: Path, place: str = "") -> Iterator[tuple[str, Path]]:
    """(Where it stands in the container, what it is) for each part that nothing else has a share in."""
    for path in sorted(Path(f"{rootfs}{place}").iterdir()):
        where = f"{place}/{path.name}"
        if where in _SHARED and path.is_dir() and not path.is_symlink():
            yield from _entries(rootfs, where)
        elif where not in _MADE:
            yield where, path


def _unusable(name: str, directory: Path, found: str) -> ImageNotFound:
    return ImageNotFound(
        f"The image {name} cannot be made of the directory {directory}.",
        found=found,
        remedy="name a directory that holds config.json (an OCI image's configuration) and rootfs",
    )
