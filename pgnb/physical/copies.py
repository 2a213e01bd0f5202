"""A base backup of an earlier run: in progress in its helper pod, or complete on the volume."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from pgnb.cluster import Pod
from pgnb.core.display import format_duration
from pgnb.physical.data_directory import DataDirectory, FinishedCopy
from pgnb.physical.outside import Place
from pgnb.physical.slots import slots
from pgnb.physical.target import Target
from pgnb.postgres import Server
from pgnb.postgres.progress import lsn_bytes
from pgnb.postgres.slots import Slot


@dataclass(frozen=True)
class Earlier:
    """A helper pod or a copy that an earlier run left; `why_not` says why the copy is not used."""

    pod: Pod | None = None
    copy: FinishedCopy | None = None
    why_not: str = ""

    @property
    def usable(self) -> bool:
        """Whether the complete copy is used."""
        return self.copy is not None and not self.why_not

    @property
    def summary(self) -> str:
        """How it is used; empty if nothing was left."""
        if self.pod is not None:
            since = f" since {self.pod.started_at}" if self.pod.started_at else ""
            return (
                f"The pod {self.pod.name} makes a base backup{since}, for a run that has ended. It"
                " continues with"
                " its source and options."
            )
        if self.why_not:
            return f"A base backup of an earlier run is made again: {self.why_not}."
        return f"{_used(self.copy)}." if self.copy else ""


def _used(copy: FinishedCopy) -> str:
    age = format_duration(float(copy.age))
    return f"The base backup at {copy.directory}, complete and verified {age} ago by an earlier run, is used"


def work_name(primary: Server, target: Target, spaces: Mapping[str, str]) -> str:
    """Name the work of a base backup's helper pod: of which database, and into which places."""
    places = "".join(f", {path} into {place}" for path, place in sorted(spaces.items()))
    return f"base backup of {primary.facts.system_identifier} into {target.claim}:{target.directory}{places}"


def running_helper(primary: Server, work: str) -> Pod | None:
    """Return the helper pod of an ended run that still makes this base backup."""
    return next(iter(primary.cluster.left_helpers(work)), None)


def earlier(
    primary: Server, pod: Pod | None, state: DataDirectory | None, slot: str, places: Sequence[Place]
) -> Earlier:
    """Return what an earlier run left; `pod` is its helper pod that still copies."""
    if pod is not None or state is None:
        return Earlier(pod)
    copy = state.finished_copy
    if copy is None:
        return Earlier(why_not="it is not complete, or was not verified" if state.has_new else "")
    return Earlier(copy=copy, why_not=unfit(primary, copy, slot, places))


def unfit(primary: Server, copy: FinishedCopy, slot: str, places: Sequence[Place]) -> str:
    """Return why the copy can't become this standby; empty if it can."""
    facts = primary.facts
    if copy.system_identifier != facts.system_identifier:
        return f"it is of another database cluster ({copy.system_identifier})"
    if copy.timeline != facts.timeline:
        return f"it is of timeline {copy.timeline}, and the primary is on {facts.timeline}"
    return misplaced(copy, places) or _unkept(slots(primary).find(slot), copy.start, slot)


def misplaced(copy: FinishedCopy, places: Sequence[Place]) -> str:
    """Return which files of a copy are not at those places or beside them; empty if none."""
    wal = next((place for place in places if place.outside.wal), None)
    if not _at(copy.wal, wal.base if wal else ""):
        has, planned = copy.wal or "the data directory", wal.base if wal else "the data directory"
        return f"it has pg_wal in {has}, and {planned} is planned"
    planned_spaces = [place.base for place in places if not place.outside.wal]
    found = list(zip_longest(copy.spaces, planned_spaces, fillvalue=""))
    if all(_at(path, base) for path, base in found):
        return ""
    return (
        f"it has tablespaces at {', '.join(copy.spaces) or 'no place of their own'}, and"
        f" {', '.join(planned_spaces) or 'none'} is planned"
    )


def _at(path: str, base: str) -> bool:
    return re.fullmatch(rf"{re.escape(base)}(\.[2-9])?", path) is not None if base else not path


def _unkept(slot: Slot | None, start: str, name: str) -> str:
    if slot is None or slot.lost or slot.restart_lsn is None:
        return f"the slot {name} keeps no WAL ({slot.summary if slot else 'it does not exist'})"
    if lsn_bytes(slot.restart_lsn) > lsn_bytes(start):
        return f"the slot {name} keeps WAL from {slot.restart_lsn} on, and it needs WAL from {start} on"
    return ""
