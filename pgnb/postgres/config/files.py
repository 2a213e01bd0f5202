"""The server's own files, in its container: read by SQL, written completely or not at all by one exec."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from pgnb.core.errors import ExecFailed, QueryFailed, ServerError
from pgnb.core.texts import decoded
from pgnb.postgres.server import Server

# Constant programs; variable parts are arguments. A failure ends with status 1 and no other, because the
# postmaster, as PID 1, may adopt a process of an aborted exec, and takes other statuses for a crash.
_WRITE = """
umask 077
new="$1.pgnb-new"
head -c "$2" > "$new" && [ "$(wc -c < "$new")" -eq "$2" ] \
    && chown "$3" "$new" && chmod "$4" "$new" && mv -f "$new" "$1" && exit 0
rm -f "$new"
exit 1
"""
_LOOK = """
if [ -w "$1" ] && [ -w "$2" ]; then echo writable; else echo fixed; fi
stat -c '%u:%g %a' "$1" || exit 1
readlink -f "$1"
"""


@dataclass(frozen=True)
class Place:
    """A file's owner as `uid:gid`, mode in octal, and whether it can be replaced.

    `persistent`: the next pod has it, or it is lost only with the data. `summary` says what prevents a
    change.
    """

    writable: bool
    owner: str
    mode: str
    persistent: bool = True
    summary: str = ""


def read_file(server: Server, path: str) -> str | None:
    """Return a text file as the server's process sees it; None if there is none.

    By SQL, or by exec if the login may not read files. Raises QueryFailed or ExecFailed, and ServerError if
    it is not UTF-8.
    """
    try:
        content = server.scalar("read_file", {"path": path})
    except QueryFailed as failure:
        if not failure.lacks_right:
            raise
        return _read_by_exec(server, path)
    return None if content is None else _text(server, path, bytes(content))


def _read_by_exec(server: Server, path: str) -> str | None:
    result = server.cluster.exec(server.pod, ["cat", path], check=False)
    return _text(server, path, result.stdout) if result.exit_status == 0 else None


def _text(server: Server, path: str, content: bytes) -> str:
    """Decode a file strictly, because it is written back as a whole."""
    return decoded(content, f"{server.name}: {path}", error=ServerError)


def look_at(server: Server, path: str) -> Place:
    """Return owner, mode and place of a file. Raises ExecFailed."""
    folder = str(PurePosixPath(path).parent)
    result = server.cluster.exec(server.pod, ["sh", "-c", _LOOK, "pgnb", path, folder])
    writable, owner, mode, real = result.stdout.decode("utf-8", "replace").split(maxsplit=3)
    persistent, volume = _is_persistent(server, path, real.strip())
    words = "" if persistent else f"lies in {volume}, which does not outlive the pod"
    return Place(writable == "writable", owner, mode, persistent, words or _fixed(writable))


def _fixed(writable: str) -> str:
    return "" if writable == "writable" else "cannot be written"


def _is_persistent(server: Server, path: str, real: str) -> tuple[bool, str]:
    """Return whether a file outlives the pod or lies beside the data, and what it lies in."""
    pod = server.pod
    mount = pod.mount_of(real) or pod.mount_of(path)
    volume = f"{mount.source} at {mount.path}" if mount else "the image's own layer"
    beside = mount is not None and mount == pod.mount_of(server.facts.data_directory)
    return beside or (mount is not None and (mount.persistent or mount.source == "configMap")), volume


def write_file(server: Server, path: str, text: str, *, owner: str, mode: str = "600") -> None:
    """Replace a file: write a new file beside it, then rename it over the old one.

    Raises ServerError if it could not be written; then the old file is unchanged.
    """
    content = text.encode()
    argv = ["sh", "-c", _WRITE, "pgnb", path, str(len(content)), owner, mode]
    try:
        server.cluster.exec(server.pod, argv, stdin=content, changes=f"write {path} ({len(content)} bytes)")
    except ExecFailed as failure:
        raise ServerError(
            f"{server.name}: {path} could not be written; it is unchanged",
            found=failure.found or failure.message,
            remedy="Check the free space on the volume and the owner of the directory.",
        ) from failure


def remove_file(server: Server, path: str) -> None:
    """Remove a file that pgnb had created. Raises ExecFailed."""
    server.cluster.exec(server.pod, ["rm", "-f", path], changes=f"remove {path}")
