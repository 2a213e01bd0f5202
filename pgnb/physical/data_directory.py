"""Classify a data directory: whether a base backup may replace it without a confirmation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pgnb.cluster.security import User
from pgnb.core.display import format_bytes
from pgnb.physical.scripts import key_values

Kind = Literal["empty", "fresh", "own standby", "interrupted", "unknown"]
_RECOVERY = ("in archive recovery", "shut down in recovery")


@dataclass(frozen=True)
class FinishedCopy:
    """A complete, verified base backup that was never started; `age` in seconds, `start` an LSN."""

    directory: str
    age: int
    start: str
    timeline: int
    system_identifier: str
    wal: str = ""
    """Where its pg_wal leads, if it is a link."""
    spaces: tuple[str, ...] = ()
    """Its tablespaces' paths, in the order of their links' names."""


@dataclass(frozen=True)
class DataDirectory:
    """The result of inspect.sh: the data directory, those beside it, and the volume's free bytes."""

    found: Mapping[str, str]

    @classmethod
    def of(cls, text: str) -> DataDirectory:
        """Parse the script's KEY=VALUE lines."""
        return cls(key_values(text))

    @property
    def kind(self) -> str:
        """One of absent, empty, file, unreadable, other, cluster."""
        return self.found.get("kind", "unreadable")

    @property
    def system_identifier(self) -> str:
        """The system identifier in the control file."""
        return self.found.get("system_identifier", "")

    @property
    def standby(self) -> bool:
        """Whether it was last a standby: in recovery, or a base backup that was never started.

        standby.signal alone does not show it, since a fenced primary has one, too.
        """
        never_started = "signal" in self.found and "backup_label" in self.found
        return never_started or self.found.get("state", "") in _RECOVERY

    @property
    def follows(self) -> bool:
        """Whether a running server on it follows another server."""
        return "signal" in self.found and self.found.get("state") == "in archive recovery"

    @property
    def unused(self) -> bool:
        """Whether it is a base backup in place that never streamed, with the old data beside it."""
        return "marked" in self.found and self.standby and self.has_old

    @property
    def receiving(self) -> bool:
        """Whether a receiver streams in the inspected container."""
        return self.found.get("receiver") == "streaming"

    @property
    def free_bytes(self) -> int:
        """Free bytes on the volume."""
        return int(self.found.get("free_kb", "0")) * 1024

    @property
    def used_bytes(self) -> int:
        """Bytes of the data directory."""
        return int(self.found.get("used_kb") or "0") * 1024

    @property
    def owner(self) -> User | None:
        """The owner of a data directory; None if there is none."""
        numbers = [int(number) for number in self.found.get("owner", "").split()]
        return User(*numbers) if self.kind in ("cluster", "unreadable") and any(numbers[:1]) else None

    @property
    def writable(self) -> str:
        """Empty if a helper pod may write there, else who may."""
        answer = self.found.get("writable", "yes")
        return "" if answer == "yes" else answer.removeprefix("no, ")

    @property
    def tools(self) -> int:
        """The major version of PostgreSQL's programs in the image; 0 if there are none."""
        return int(self.found.get("tools") or "0")

    @property
    def has_new(self) -> bool:
        """Whether a base backup of an earlier run is there, complete or not."""
        return "new" in self.found

    @property
    def has_old(self) -> bool:
        """Whether an old data directory is still there."""
        return "old" in self.found

    @property
    def outside(self) -> str:
        """Where its links lead: pg_wal and tablespaces outside of the data directory."""
        return self.found.get("outside", "")

    @property
    def new_bytes(self) -> int:
        """Bytes of that base backup."""
        return int(self.found.get("new_kb") or "0") * 1024

    @property
    def finished_copy(self) -> FinishedCopy | None:
        """The complete, verified base backup beside the data directory, or already in its place."""
        found = self.found
        if "copy" not in found:
            return None
        return FinishedCopy(
            found["copy"],
            int(found["copy_age"]),
            found.get("copy_start", ""),
            int(found.get("copy_timeline") or 0),
            found.get("copy_system_identifier", ""),
            found.get("copy_wal", ""),
            tuple(filter(None, found.get("copy_spaces", "").split("\t"))),
        )

    @property
    def user_data(self) -> bool:
        """Whether it has user tables, large objects or tablespaces."""
        return any(int(self.found.get(key) or "0") for key in ("user_files", "large_objects", "tablespaces"))


@dataclass(frozen=True)
class Classification:
    """The kind of a directory, and why. Only `unknown` needs a confirmation before it is replaced."""

    kind: Kind
    summary: str

    @property
    def disposable(self) -> bool:
        """Whether a base backup may replace it without loss."""
        return self.kind != "unknown"


def classify(state: DataDirectory, system_identifier: str) -> Classification:
    """Classify a directory, for the primary with that system identifier.

    Disposable are an empty directory, a fresh initdb without user data, and an old standby of this primary.
    The data of a server that was a primary of this cluster are not.
    """
    if "phase" in state.found or (state.kind == "absent" and state.has_new and state.has_old):
        return Classification("interrupted", "a complete base backup whose swap was interrupted")
    if state.kind in ("absent", "empty"):
        return Classification("empty", "nothing")
    if state.kind != "cluster":
        return Classification("unknown", f"{_other(state)}, not a data directory")
    size = f"PostgreSQL {state.found.get('version', '?')}, {format_bytes(state.used_bytes)}"
    if state.system_identifier == system_identifier:
        return _of_this_cluster(state, size)
    if not state.user_data:
        return Classification("fresh", f"a fresh initdb of another cluster ({size}), without user data")
    words = (
        f"another cluster's data ({size}, system identifier {state.system_identifier or 'unreadable'},"
        f" {state.found.get('user_files')} files of user relations)"
    )
    return Classification("unknown", words)


def _of_this_cluster(state: DataDirectory, size: str) -> Classification:
    if state.unused:
        words = f"a base backup of this primary ({size}), put in place by an earlier run; it never streamed"
        return Classification("own standby", words)
    if state.standby:
        return Classification("own standby", f"an old standby of this primary ({size})")
    words = f"this cluster's data ({size}), state {state.found.get('state')!r}: it was a primary"
    return Classification("unknown", words)


def _other(state: DataDirectory) -> str:
    if state.kind == "other":
        return f"other files: {state.found.get('entries', '')}"
    return {"file": "a file", "unreadable": "something that the helper pod may not read"}.get(
        state.kind, state.kind
    )
