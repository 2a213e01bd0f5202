"""What a data directory has outside of itself, pg_wal and tablespaces, and where a standby gets it.

The links in a data directory are absolute, so a place has one path, in the server's pod and in a helper's. A
place in use is never written to: the next base backup takes the one beside it (PLACE.2, PLACE.3).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pgnb.checks import Check
from pgnb.display import spell_bytes
from pgnb.errors import ParameterError
from pgnb.replication.judgement import DirectoryState
from pgnb.replication.target import Target
from pgnb.server import Server

WAL = "pg_wal"
_BESIDE = re.compile(r"\.[23]\Z")


@dataclass(frozen=True)
class Outside:
    """A directory outside of the data directory: its `path` at the primary, its `size` in bytes."""

    name: str
    path: str
    size: int
    wal: bool = False

    @property
    def words(self) -> str:
        """What it is."""
        return self.name if self.wal else f"tablespace {self.name}"


@dataclass(frozen=True)
class Place:
    """Where a standby gets it: `base`, or, while a data directory there leads to that, one beside it."""

    outside: Outside
    base: str
    claim: str

    @property
    def words(self) -> str:
        """What lies where."""
        return f"{self.outside.words} at {self.base} on claim {self.claim}"


def outside_of(primary: Server) -> tuple[Outside, ...]:
    """What the primary's data directory has outside: pg_wal, where that is a link, then its tablespaces."""
    spaces = [Outside(**row) for row in primary.query("replication/tablespaces")]
    directory = primary.facts.data_directory
    argv = ["readlink", "--", f"{directory}/{WAL}"]
    link = primary.cluster.exec(primary.pod, argv, check=False).text
    if not link:
        return tuple(spaces)
    size = int(primary.one("replication/volume")["wal_bytes"])
    return (Outside(WAL, posixpath.normpath(posixpath.join(directory, link)), size, wal=True), *spaces)


def mapped(outside: Iterable[Outside], mapping: Mapping[str, str]) -> Mapping[str, str]:
    """The tablespaces' paths at the primary, each with its path at the standby. Raises ParameterError."""
    paths = [one.path for one in outside if not one.wal]
    unknown = ", ".join(path for path in mapping if path not in paths)
    relative = ", ".join(path for path in mapping.values() if not path.startswith("/"))
    if unknown or relative:
        raise ParameterError(
            "tablespaces maps a path that is no tablespace's" if unknown else "tablespaces needs whole paths",
            found=unknown or relative,
            remedy=f"The primary's tablespaces are at {', '.join(paths) or 'no path of their own'}.",
        )
    found = {path: mapping.get(path, path).rstrip("/") for path in paths}
    if len(set(found.values())) < len(found):
        raise ParameterError("two tablespaces cannot have one place", found=str(found))
    return found


@dataclass(frozen=True)
class Layout:
    """What the primary has outside of its data directory, and where it goes at the target."""

    primary: Server
    target: Target
    outside: tuple[Outside, ...]
    paths: Mapping[str, str]
    """Each tablespace's path at the primary, and the one that is wanted at the standby."""

    def places(self, state: DirectoryState | None) -> tuple[Place, ...]:
        """Where each of them goes; pg_wal without a place is left out, and lies in the data directory.

        pg_wal goes where the standby's own link leads (`state`), else where the primary's does, if a claim is
        mounted there. Raises ParameterError for a tablespace without a place, or on a claim of the primary's.
        """
        wal = _wal_place(self.outside, self.target, state)
        spaces = [self._space(one) for one in self.outside if not one.wal]
        found = tuple(place for place in (wal, *spaces) if place)
        _assert_own_claims(self.primary, self.target, found)
        return found

    def _space(self, one: Outside) -> Place:
        path, name = self.paths[one.path], self.target.name
        place = _place(one, path, self.target)
        if place is None:
            raise ParameterError(
                f"the {one.words} has no place in {name}", found=obstacle(path, self.target),
                remedy=f"Mount a claim at {path} in its pod, or name another place on one:"
                f' tablespaces = {{"{one.path}": "/PATH"}}.',
            )  # fmt: skip
        return place

    def moves(self, state: DirectoryState | None) -> str:
        """What is to be known where pg_wal lay outside so far, and goes into the data directory."""
        if any(place.outside.wal for place in self.places(state)):
            return ""
        link = next((one.path for one in self.outside if one.wal), "")
        theirs, own = link or _mounted_apart(self.primary), state.found.get("wal", "") if state else ""
        parts = [f"the primary's at {theirs}" if theirs else "", f"this one's at {own}" if own else ""]
        where = " and ".join(part for part in parts if part)
        return f"{where}; no claim of the standby's is mounted there" if where else ""


def layout_of(primary: Server, target: Target, mapping: Mapping[str, str]) -> Layout:
    """The layout that a base backup would have. Raises ParameterError where it cannot be."""
    _assert_swappable(target)
    outside = outside_of(primary)
    layout = Layout(primary, target, outside, mapped(outside, mapping))
    layout.places(None)
    return layout


def _mounted_apart(primary: Server) -> str:
    """The path of pg_wal where a volume of its own is mounted in the data directory; empty otherwise."""
    directory = primary.facts.data_directory
    apart = primary.pod.mount_of(f"{directory}/{WAL}")
    return apart.path if apart is not None and apart != primary.pod.mount_of(directory) else ""


def _wal_place(outside: Sequence[Outside], target: Target, state: DirectoryState | None) -> Place | None:
    found = next((one for one in outside if one.wal), None)
    own = state.found.get("wal", "") if state else ""
    for path in (own, found.path if found else ""):
        if path and (place := _place(found or Outside(WAL, path, 0, wal=True), path, target)):
            return place
    return None


def _place(one: Outside, path: str, target: Target) -> Place | None:
    """The place at that path; below a mount's root, which may hold lost+found."""
    if obstacle(path, target):
        return None
    mount, base = target.pod.mount_of(path), _BESIDE.sub("", path)
    assert mount is not None
    inside = base if base != mount.path else f"{mount.path}/{WAL if one.wal else 'tablespace'}"
    return Place(one, inside, mount.claim)


def obstacle(path: str, target: Target) -> str:
    """Why nothing that lasts can be put at a path of the target's pod; empty when it can."""
    mount = target.pod.mount_of(path)
    if mount is None:
        return f"{path} lies in the image's own layer"
    if not mount.claim or mount.read_only:
        return f"{path} lies in {'a read-only ' if mount.read_only else ''}{mount.source} at {mount.path}"
    if f"{path}/".startswith(f"{target.data_directory}/"):
        return f"{path} lies in the data directory itself"
    if mount.path == target.mount.path and mount.sub_path:
        return f"{path} lies below the subPath {mount.sub_path} of the data's claim"
    return ""


def _assert_swappable(target: Target) -> None:
    """Nothing is mounted in the data directory, which is exchanged as a whole. Raises ParameterError."""
    inside = [m for m in target.pod.mounts if m.path.startswith(f"{target.data_directory}/") and m.claim]
    if inside:
        raise ParameterError(
            f"{target.name} has a claim mounted in its data directory, which cannot be replaced then",
            found=", ".join(f"{mount.claim} at {mount.path}" for mount in inside),
            remedy="Mount it beside the data directory, such as at /wal: pg_wal can be a link to there.",
        )


def _assert_own_claims(primary: Server, target: Target, found: Iterable[Place]) -> None:
    """No place is on a claim that the primary has mounted. Raises ParameterError."""
    taken = {mount.claim for mount in primary.pod.mounts}
    if shared := [place.words for place in found if place.claim in taken]:
        raise ParameterError(
            f"{target.name} has a volume of the primary's own", found="; ".join(shared),
            remedy="A standby needs claims of its own: correct its template.",
        )  # fmt: skip


def place_checks(found: Sequence[Place], state: DirectoryState | None, spare: float) -> list[Check]:
    """Whether each place is empty and has room for what comes, times `spare`, as the volumes were found."""
    if state is None:
        return []
    checks = []
    for number, place in enumerate(found, 1):
        chosen = state.found.get(f"place_{number}")
        if chosen is None:
            continue
        refused = state.found.get(f"place_{number}_refused", "")
        free, needed = int(state.found[f"place_{number}_free_kb"]) * 1024, int(place.outside.size * spare)
        room = f"{chosen}: {refused or f'empty, {spell_bytes(free)} free'}"
        checks.append(Check(
            place.outside.words, not refused and free >= needed, room, f"empty, ≥ {spell_bytes(needed)} free",
            f"What lies there belongs to no data directory that pgnb knows: see what it is, and empty it; or"
            f" enlarge the claim {place.claim}.",
        ))  # fmt: skip
    return checks
