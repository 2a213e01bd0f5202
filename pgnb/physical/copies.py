"""A base backup that an earlier run left: still being copied by its helper pod, or finished on the volume."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from pgnb.cluster import Pod
from pgnb.core.display import format_duration
from pgnb.physical.data_directory import DataDirectory, FinishedCopy
from pgnb.physical.outside import Place
from pgnb.physical.slots import Slot, slots
from pgnb.physical.target import Target
from pgnb.postgres import Server
from pgnb.postgres.progress import lsn_bytes


@dataclass(frozen=True)
class Earlier:
    """What earlier runs left: a helper pod that copies, or a copy; `why_not` says why it is copied again."""

    pod: Pod | None = None
    copy: FinishedCopy | None = None
    why_not: str = ""

    @property
    def usable(self) -> bool:
        """Whether a finished copy is used."""
        return self.copy is not None and not self.why_not

    @property
    def summary(self) -> str:
        """What becomes of it; empty where nothing was left."""
        if self.pod is not None:
            since = f" since {self.pod.started_at}" if self.pod.started_at else ""
            return (
                f"The base backup that pod {self.pod.name} makes{since}, for a run that is gone, goes on with"
                " the source and the options that it was begun with."
            )
        if self.why_not:
            return f"A base backup of an earlier run lies there, and is made again: {self.why_not}."
        return f"{_used(self.copy)}." if self.copy else ""


def _used(copy: FinishedCopy) -> str:
    age = format_duration(float(copy.age))
    return f"The base backup at {copy.directory}, complete and verified {age} ago by an earlier run, is used"


def work_name(primary: Server, target: Target, spaces: Mapping[str, str]) -> str:
    """What a helper works at that makes this base backup: of which database, and into which places."""
    places = "".join(f", {path} into {place}" for path, place in sorted(spaces.items()))
    return f"base backup of {primary.facts.system_identifier} into {target.claim}:{target.directory}{places}"


def running_helper(primary: Server, work: str) -> Pod | None:
    """The helper pod of a run that is gone, which makes this very base backup still."""
    return next(iter(primary.cluster.left_helpers(work)), None)


def earlier(
    primary: Server, pod: Pod | None, state: DataDirectory | None, slot: str, places: Sequence[Place]
) -> Earlier:
    """What is there to go on with; `pod` is the helper that copies still."""
    if pod is not None or state is None:
        return Earlier(pod)
    copy = state.finished_copy
    if copy is None:
        return Earlier(why_not="it is not complete, or was not verified" if state.has_new else "")
    return Earlier(copy=copy, why_not=unfit(primary, copy, slot, places))


def unfit(primary: Server, copy: FinishedCopy, slot: str, places: Sequence[Place]) -> str:
    """Why a standby of that copy could not follow this primary by its slot, or would not be as planned."""
    facts = primary.facts
    if copy.system_identifier != facts.system_identifier:
        return f"it is of another database cluster ({copy.system_identifier})"
    if copy.timeline != facts.timeline:
        return f"it is of timeline {copy.timeline}, and the primary is on {facts.timeline}"
    return misplaced(copy, places) or _unkept(slots(primary).find(slot), copy.start, slot)


def misplaced(copy: FinishedCopy, places: Sequence[Place]) -> str:
    """What a copy has elsewhere than at those places or beside them; empty when it has all of them there."""
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
        return f"the slot {name} keeps no WAL ({slot.summary if slot else 'it is not there'})"
    if lsn_bytes(slot.restart_lsn) > lsn_bytes(start):
        return f"the slot {name} keeps WAL from {slot.restart_lsn} on, and it needs WAL from {start} on"
    return ""
