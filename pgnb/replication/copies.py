"""A base backup that an earlier run left: still being copied by its helper pod, or finished on the volume."""

from __future__ import annotations

from dataclasses import dataclass

from pgnb.cluster import Pod
from pgnb.display import spell_seconds
from pgnb.replication.judgement import DirectoryState, FinishedCopy
from pgnb.replication.slots import Slot, slots
from pgnb.replication.target import Target
from pgnb.server import Server
from pgnb.server.progress import lsn_bytes


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
    def words(self) -> str:
        """What becomes of it; empty where nothing was left."""
        if self.pod is not None:
            since = f" since {self.pod.started_at}" if self.pod.started_at else ""
            return f"The base backup that pod {self.pod.name} makes{since}, for a run that is gone, goes on."
        if self.why_not:
            return f"A base backup of an earlier run lies there, and is made again: {self.why_not}."
        return f"{_used(self.copy)}." if self.copy else ""


def _used(copy: FinishedCopy) -> str:
    age = spell_seconds(float(copy.age))
    return f"The base backup at {copy.directory}, complete and verified {age} ago by an earlier run, is used"


def work_name(primary: Server, target: Target) -> str:
    """What a helper works at that makes this base backup: of which database, and into which place."""
    return f"base backup of {primary.facts.system_identifier} into {target.claim}:{target.directory}"


def running_helper(primary: Server, target: Target) -> Pod | None:
    """The helper pod of a run that is gone, which makes this very base backup still."""
    return next(iter(primary.cluster.left_helpers(work_name(primary, target))), None)


def earlier(primary: Server, pod: Pod | None, state: DirectoryState | None, slot: str) -> Earlier:
    """What is there to go on with; `pod` is the helper that copies still."""
    if pod is not None or state is None:
        return Earlier(pod)
    copy = state.finished_copy
    if copy is None:
        return Earlier(why_not="it is not complete, or was not verified" if state.has_new else "")
    return Earlier(copy=copy, why_not=unfit(primary, copy, slot))


def unfit(primary: Server, copy: FinishedCopy, slot: str) -> str:
    """Why a standby made of that copy could not follow this primary through its slot; empty when it can."""
    facts = primary.facts
    if copy.system_identifier != facts.system_identifier:
        return f"it is of another database cluster ({copy.system_identifier})"
    if copy.timeline != facts.timeline:
        return f"it is of timeline {copy.timeline}, and the primary is on {facts.timeline}"
    return _unkept(slots(primary).find(slot), copy.start, slot)


def _unkept(slot: Slot | None, start: str, name: str) -> str:
    if slot is None or slot.lost or slot.restart_lsn is None:
        return f"the slot {name} keeps no WAL ({slot.words if slot else 'it is not there'})"
    if lsn_bytes(slot.restart_lsn) > lsn_bytes(start):
        return f"the slot {name} keeps WAL from {slot.restart_lsn} on, and it needs WAL from {start} on"
    return ""
