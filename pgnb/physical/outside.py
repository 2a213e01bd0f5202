"""What a data directory has outside of itself, pg_wal and tablespaces, and where a standby gets it.

A link is read as a whole path, which is the same one in the server's pod and in a helper's. A place in use is
never written to: the next base backup takes the one beside it (PLACE.2, PLACE.3).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pgnb.core.checks import Check
from pgnb.core.display import format_bytes
from pgnb.core.errors import ParameterError
from pgnb.physical.data_directory import DataDirectory
from pgnb.physical.target import Target
from pgnb.postgres import Server
from pgnb.postgres.disk import wal_directory

WAL = "pg_wal"
_BESIDE = re.compile(r"\.[2-9]\Z")


@dataclass(frozen=True)
class Outside:
    """A directory outside of the data directory: its `path` at the primary, its `size` in bytes."""

    name: str
    path: str
    size: int
    wal: bool = False

    @property
    def summary(self) -> str:
        """What it is."""
        return self.name if self.wal else f"tablespace {self.name}"


@dataclass(frozen=True)
class Place:
    """Where a standby gets it: `base`, or, while a data directory there leads to that, one beside it."""

    outside: Outside
    base: str
    claim: str

    @property
    def summary(self) -> str:
        """What lies where."""
        return f"{self.outside.summary} at {self.base} on claim {self.claim}"


def outside_of(primary: Server) -> tuple[Outside, ...]:
    """What the primary's data directory has outside: pg_wal, where that is a link, then its tablespaces."""
    spaces = [Outside(**row) for row in primary.query("physical/tablespaces")]
    path = wal_directory(primary)
    if path == f"{primary.facts.data_directory}/{WAL}":
        return tuple(spaces)
    size = int(primary.fetch_one("physical/volume")["wal_bytes"])
    return (Outside(WAL, path, size, wal=True), *spaces)


def mapped(
    outside: Iterable[Outside], mapping: Mapping[str, str], *, parameter: str = "tablespaces"
) -> Mapping[str, str]:
    """The tablespaces' paths at the primary, each with its path at the standby. Raises ParameterError."""
    paths = [one.path for one in outside if not one.wal]
    unknown = ", ".join(path for path in mapping if path not in paths)
    relative = ", ".join(path for path in mapping.values() if not path.startswith("/"))
    if unknown or relative:
        raise ParameterError(
            f"{parameter} maps a path that is no tablespace's"
            if unknown
            else f"{parameter} needs whole paths",
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

    def places(self, state: DataDirectory | None) -> tuple[Place, ...]:
        """Where each of them goes; pg_wal without a place is left out, and lies in the data directory.

        pg_wal goes where the standby's own link leads (`state`), else where the primary's does, if a claim is
        mounted there. Raises ParameterError for a tablespace without a place, or on a claim of the primary's.
        """
        links = state.outside.split(", ") if state else []
        wal = self._wal(state, links)
        spaces = [self._space(one, links) for one in self.outside if not one.wal]
        found = tuple(place for place in (wal, *spaces) if place)
        _assert_own_claims(self.primary, self.target, found)
        return found

    def _wal(self, state: DataDirectory | None, links: Collection[str]) -> Place | None:
        found = next((one for one in self.outside if one.wal), None)
        own = state.found.get("wal", "") if state else ""
        for path in (own, found.path if found else ""):
            if path and not obstacle(path, self.target):
                size = found.size if found else int(self.primary.fetch_one("physical/volume")["wal_bytes"])
                one = found or Outside(WAL, path, size, wal=True)
                return _place(one, self._base(path, links), self.target)
        return None

    def _space(self, one: Outside, links: Collection[str]) -> Place:
        path, name = self.paths[one.path], self.target.name
        if obstacle(path, self.target):
            raise ParameterError(
                f"the {one.summary} has no place in {name}",
                found=obstacle(path, self.target),
                remedy=f"Mount a claim at {path} in its pod, or name another place on one:"
                f' tablespaces = {{"{one.path}": "/PATH"}} (rejoin_tablespaces in 09).',
            )
        return _place(one, self._base(path, links) if path == one.path else path, self.target)

    def _base(self, path: str, links: Collection[str]) -> str:
        """A path without the suffix of an earlier base backup, where the standby leads to it or beside it.

        It keeps one that leads out of its mount without it, or to the place of another tablespace.
        """
        base, pod = _BESIDE.sub("", path), self.target.pod
        mount = pod.mount_of(path)
        ours = any(_BESIDE.sub("", link) == base for link in links)
        there = mount is not None and base != mount.path and pod.mount_of(base) == mount
        return base if ours and there and base not in self.paths.values() else path

    def moves(self, state: DataDirectory | None) -> str:
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


def _place(one: Outside, path: str, target: Target) -> Place:
    """The place at a path that is on a claim; below a mount's root, which may hold lost+found."""
    mount = target.pod.mount_of(path)
    assert mount is not None
    inside = path if path != mount.path else f"{mount.path}/{WAL if one.wal else 'tablespace'}"
    return Place(one, inside, mount.claim)


def obstacle(path: str, target: Target) -> str:
    """Why nothing that lasts can be put at a path of the target's pod; empty when it can."""
    mount = target.pod.mount_of(path)
    if mount is None:
        return f"{path} lies in the image's own layer"
    if not mount.claim or mount.read_only:
        return f"{path} lies in {'a read-only ' if mount.read_only else ''}{mount.source} at {mount.path}"
    if mount.varies:
        return f"{path} lies in a directory that varies by pod ({mount.sub_path} at {mount.path})"
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
    if shared := [place.summary for place in found if place.claim in taken]:
        raise ParameterError(
            f"{target.name} has a volume of the primary's own",
            found="; ".join(shared),
            remedy="A standby needs claims of its own: correct its template.",
        )


def place_checks(
    found: Sequence[Place], state: DataDirectory | None, spare: float, data_claim: str
) -> list[Check]:
    """Whether each place is empty and may be written, and each claim has room for what comes, times `spare`.

    The room on the data's claim is not asked here: the data take some of it, too (`on_other_claims`).
    """
    if state is None or not found or "place_1" not in state.found:
        return []
    checks = [check for number, place in enumerate(found, 1) for check in _as_found(number, place, state)]
    others = dict.fromkeys(place.claim for place in found if place.claim != data_claim)
    return checks + [_room(claim, found, state, spare) for claim in others]


def _as_found(number: int, place: Place, state: DataDirectory) -> list[Check]:
    chosen, holds = state.found[f"place_{number}"], state.found.get(f"place_{number}_holds", "")
    belongs, words = state.found.get(f"place_{number}_belongs", ""), place.outside.summary
    return [
        Check(
            words,
            not holds,
            f"{chosen} is not empty: {holds}" if holds else f"{chosen}: empty",
            "empty",
            "What lies there belongs to no data directory that pgnb knows: see what it is, and empty it.",
        ),
        Check(
            f"{words}: its place can be written",
            not belongs,
            belongs or "yes",
            "by the server's user",
            "Set fsGroup in the pod's securityContext, or chown it.",
        ),
    ]


def _room(claim: str, found: Sequence[Place], state: DataDirectory, spare: float) -> Check:
    numbers = [number for number, place in enumerate(found, 1) if place.claim == claim]
    free = min(_bytes(state, f"place_{number}_free_kb") for number in numbers)
    free += left_by_earlier(found, state, claim)
    needed = int(sum(found[number - 1].outside.size for number in numbers) * spare)
    remedy = f"Enlarge the claim {claim}, or remove what is not needed on it."
    return Check(
        f"room on claim {claim}", free >= needed, format_bytes(free), f"≥ {format_bytes(needed)}", remedy
    )


def left_by_earlier(found: Sequence[Place], state: DataDirectory, claim: str) -> int:
    """Bytes of that claim which an earlier base backup takes at these places: it is gone on with, or goes."""
    there = (number for number, place in enumerate(found, 1) if place.claim == claim)
    return sum(_bytes(state, f"place_{number}_ours_kb") for number in there)


def on_other_claims(found: Iterable[Place], claim: str) -> int:
    """Bytes that lie on other claims than that one."""
    return sum(place.outside.size for place in found if place.claim != claim)


def _bytes(state: DataDirectory, key: str) -> int:
    return int(state.found.get(key) or "0") * 1024
