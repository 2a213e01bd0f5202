"""pg_wal and tablespaces outside of the data directory, and where a standby gets them.

Links are read as absolute paths, which are the same in the server's pod and in a helper pod. A place in use
is never written to: the next base backup uses one beside it (PLACE.2, PLACE.3).
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
        """Its name, as a reader knows it."""
        return self.name if self.wal else f"tablespace {self.name}"


@dataclass(frozen=True)
class Place:
    """Where a standby gets it: `base`, or a path beside it while a data directory uses `base`."""

    outside: Outside
    base: str
    claim: str

    @property
    def summary(self) -> str:
        """The directory, its path and its claim."""
        return f"{self.outside.summary} at {self.base} on claim {self.claim}"


def outside_of(primary: Server) -> tuple[Outside, ...]:
    """Return what the primary has outside of its data directory: pg_wal, if it is a link, and tablespaces."""
    spaces = [Outside(**row) for row in primary.query("physical/tablespaces")]
    path = wal_directory(primary)
    if path == f"{primary.facts.data_directory}/{WAL}":
        return tuple(spaces)
    size = int(primary.fetch_one("physical/volume")["wal_bytes"])
    return (Outside(WAL, path, size, wal=True), *spaces)


def mapped(
    outside: Iterable[Outside], mapping: Mapping[str, str], *, parameter: str = "tablespaces"
) -> Mapping[str, str]:
    """Map each tablespace's path at the primary to its path at the standby. Raises ParameterError."""
    paths = [one.path for one in outside if not one.wal]
    unknown = ", ".join(path for path in mapping if path not in paths)
    relative = ", ".join(path for path in mapping.values() if not path.startswith("/"))
    if unknown or relative:
        raise ParameterError(
            f"{parameter} maps a path that is not a tablespace"
            if unknown
            else f"{parameter} needs absolute paths",
            found=unknown or relative,
            remedy=f"The primary's tablespaces are at: {', '.join(paths) or 'none'}.",
        )
    found = {path: mapping.get(path, path).rstrip("/") for path in paths}
    if len(set(found.values())) < len(found):
        raise ParameterError("two tablespaces cannot have the same path", found=str(found))
    return found


@dataclass(frozen=True)
class Layout:
    """What the primary has outside of its data directory, and where the target gets it."""

    primary: Server
    target: Target
    outside: tuple[Outside, ...]
    paths: Mapping[str, str]
    """Each tablespace's path at the primary, and its path at the standby."""

    def places(self, state: DataDirectory | None) -> tuple[Place, ...]:
        """Return the place of each; pg_wal without a place is left out, and stays in the data directory.

        pg_wal is put where the standby's own link leads (`state`), else where the primary's link leads, if
        a claim is mounted there. Raises ParameterError for a tablespace without a place, or on a claim of
        the primary.
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
        """Return a path without the suffix of an earlier base backup, if the standby's link leads to it.

        The suffix is kept if the path without it is outside of the mount, or is another tablespace's place.
        """
        base, pod = _BESIDE.sub("", path), self.target.pod
        mount = pod.mount_of(path)
        ours = any(_BESIDE.sub("", link) == base for link in links)
        there = mount is not None and base != mount.path and pod.mount_of(base) == mount
        return base if ours and there and base not in self.paths.values() else path

    def moves(self, state: DataDirectory | None) -> str:
        """Describe where pg_wal was outside, if it is put into the data directory now; empty otherwise."""
        if any(place.outside.wal for place in self.places(state)):
            return ""
        link = next((one.path for one in self.outside if one.wal), "")
        theirs, own = link or _mounted_apart(self.primary), state.found.get("wal", "") if state else ""
        parts = [f"the primary's at {theirs}" if theirs else "", f"this one's at {own}" if own else ""]
        where = " and ".join(part for part in parts if part)
        return f"{where}; the standby has no claim mounted there" if where else ""


def layout_of(primary: Server, target: Target, mapping: Mapping[str, str]) -> Layout:
    """Return the layout of a base backup. Raises ParameterError if it is impossible."""
    _assert_swappable(target)
    outside = outside_of(primary)
    layout = Layout(primary, target, outside, mapped(outside, mapping))
    layout.places(None)
    return layout


def _mounted_apart(primary: Server) -> str:
    """Return the path of pg_wal if it is a mount inside the data directory; empty otherwise."""
    directory = primary.facts.data_directory
    apart = primary.pod.mount_of(f"{directory}/{WAL}")
    return apart.path if apart is not None and apart != primary.pod.mount_of(directory) else ""


def _place(one: Outside, path: str, target: Target) -> Place:
    """Return the place at a path on a claim; below a mount's root, which may hold lost+found."""
    mount = target.pod.mount_of(path)
    assert mount is not None
    inside = path if path != mount.path else f"{mount.path}/{WAL if one.wal else 'tablespace'}"
    return Place(one, inside, mount.claim)


def obstacle(path: str, target: Target) -> str:
    """Return why a path of the target's pod is not persistent or not usable; empty if it is."""
    mount = target.pod.mount_of(path)
    if mount is None:
        return f"{path} is in the image"
    if not mount.claim or mount.read_only:
        return f"{path} is in {'a read-only ' if mount.read_only else ''}{mount.source} at {mount.path}"
    if mount.varies:
        return f"{path} is in a directory that differs from pod to pod ({mount.sub_path} at {mount.path})"
    if f"{path}/".startswith(f"{target.data_directory}/"):
        return f"{path} is in the data directory"
    if mount.path == target.mount.path and mount.sub_path:
        return f"{path} is below the subPath {mount.sub_path} of the data's claim"
    return ""


def _assert_swappable(target: Target) -> None:
    """Raise ParameterError if a claim is mounted in the data directory, which is replaced as a whole."""
    inside = [m for m in target.pod.mounts if m.path.startswith(f"{target.data_directory}/") and m.claim]
    if inside:
        raise ParameterError(
            f"{target.name} has a claim mounted in its data directory, so it cannot be replaced",
            found=", ".join(f"{mount.claim} at {mount.path}" for mount in inside),
            remedy="Mount it outside of the data directory, such as at /wal, and make pg_wal a link to it.",
        )


def _assert_own_claims(primary: Server, target: Target, found: Iterable[Place]) -> None:
    """Raise ParameterError if a place is on a claim that the primary has mounted."""
    taken = {mount.claim for mount in primary.pod.mounts}
    if shared := [place.summary for place in found if place.claim in taken]:
        raise ParameterError(
            f"{target.name} uses a volume of the primary",
            found="; ".join(shared),
            remedy="A standby needs its own claims: correct its template.",
        )


def place_checks(
    found: Sequence[Place], state: DataDirectory | None, spare: float, data_claim: str
) -> list[Check]:
    """Check that each place is empty and writable, and each claim has room for the copy, times `spare`.

    The data's claim is checked elsewhere, since the data need room on it, too (`on_other_claims`).
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
            "These files belong to no data directory that pgnb knows. Find out what they are, and"
            " remove them.",
        ),
        Check(
            f"{words}: its place is writable",
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
    remedy = f"Enlarge the claim {claim}, or remove files that are not needed."
    return Check(
        f"room on claim {claim}", free >= needed, format_bytes(free), f"≥ {format_bytes(needed)}", remedy
    )


def left_by_earlier(found: Sequence[Place], state: DataDirectory, claim: str) -> int:
    """Return the bytes of an earlier base backup at these places on a claim; it is used or removed."""
    there = (number for number, place in enumerate(found, 1) if place.claim == claim)
    return sum(_bytes(state, f"place_{number}_ours_kb") for number in there)


def on_other_claims(found: Iterable[Place], claim: str) -> int:
    """Return the bytes that are on other claims."""
    return sum(place.outside.size for place in found if place.claim != claim)


def _bytes(state: DataDirectory, key: str) -> int:
    return int(state.found.get(key) or "0") * 1024
