"""Read disk, programs and user of the server's container; one command each, no change."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from pgnb.core.errors import ServerError
from pgnb.postgres.server import Server

_MISSING = 'for tool; do command -v "$tool" >/dev/null || echo "$tool"; done'


@dataclass(frozen=True)
class Space:
    """A file system: its size and free space, in bytes."""

    path: str
    size: int
    free: int


def space_of(server: Server, path: str) -> Space:
    """Return the file system of a path in the container, by `df`. Raises ExecFailed, ServerError."""
    result = server.cluster.exec(server.pod, ["df", "-Pk", path])
    fields = result.text.splitlines()[-1].split()
    if len(fields) < 6 or not (fields[1].isdigit() and fields[3].isdigit()):
        raise ServerError(f"{server.name}: df does not say how much is free", found=result.text[:200])
    return Space(path, int(fields[1]) * 1024, int(fields[3]) * 1024)


def wal_directory(server: Server) -> str:
    """Return the directory of pg_wal: below the data directory, or the target of its link (`readlink`)."""
    directory = server.facts.data_directory
    link = server.cluster.exec(server.pod, ["readlink", "--", f"{directory}/pg_wal"], check=False).text
    return posixpath.normpath(posixpath.join(directory, link or "pg_wal"))


def missing_tools(server: Server, tools: Sequence[str]) -> list[str]:
    """Return the server's own programs that its image does not have."""
    paths = {server.facts.tool(tool): tool for tool in tools}
    result = server.cluster.exec(server.pod, ["sh", "-c", _MISSING, "pgnb", *paths])
    return [paths[line] for line in result.text.splitlines() if line in paths]
