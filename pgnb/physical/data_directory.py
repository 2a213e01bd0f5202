"""What a data directory is, and whether a base backup may take its place without being told so by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pgnb.cluster.security import User
from pgnb.core.display import format_bytes

Kind = Literal["empty", "fresh", "own standby", "interrupted", "unknown"]
_RECOVERY = ("in archive recovery", "shut down in recovery")


@dataclass(frozen=True)
class FinishedCopy:
    """A base backup that is complete and verified and was never started; `age` is seconds, `start` an LSN."""

    directory: str
    age: int
    start: str
    timeline: int
    system_identifier: str
    wal: str = ""
    """Where its pg_wal leads, which is a link then."""
    spaces: tuple[str, ...] = ()
    """Where its tablespaces are, in the order of their links' names."""


@dataclass(frozen=True)
class DataDirectory:
    """What the script inspect.sh found: the data directory, its neighbours, and the volume's room (bytes)."""

    found: Mapping[str, str]

    @classmethod
    def of(cls, text: str) -> DataDirectory:
        """From the script's KEY=VALUE lines."""
        pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
        return cls({key: value.strip() for key, _, value in pairs})

    @property
    def kind(self) -> str:
        """absent, empty, file, unreadable, other, or cluster."""
        return self.found.get("kind", "unreadable")

    @property
    def system_identifier(self) -> str:
        """From the control file."""
        return self.found.get("system_identifier", "")

    @property
    def standby(self) -> bool:
        """Whether its last state is a standby's: in recovery, or a base backup that was never started.

        standby.signal alone is no proof: a fenced primary has one, too.
        """
        never_started = "signal" in self.found and "backup_label" in self.found
        return never_started or self.found.get("state", "") in _RECOVERY

    @property
    def follows(self) -> bool:
        """Whether a server that runs on it follows another one now."""
        return "signal" in self.found and self.found.get("state") == "in archive recovery"

    @property
    def unused(self) -> bool:
        """Whether it is a base backup put in place, with the former data beside it, that never streamed."""
        return "marked" in self.found and self.standby and self.has_old

    @property
    def receiving(self) -> bool:
        """Whether a receiver streams in the container that was looked into."""
        return self.found.get("receiver") == "streaming"

    @property
    def free_bytes(self) -> int:
        """Room left on the volume."""
        return int(self.found.get("free_kb", "0")) * 1024

    @property
    def used_bytes(self) -> int:
        """What the data directory takes."""
        return int(self.found.get("used_kb") or "0") * 1024

    @property
    def owner(self) -> User | None:
        """Who owns a data directory that a server has used; None where none is there."""
        numbers = [int(number) for number in self.found.get("owner", "").split()]
        return User(*numbers) if self.kind in ("cluster", "unreadable") and any(numbers[:1]) else None

    @property
    def writable(self) -> str:
        """Empty when a helper may write there, else who may."""
        answer = self.found.get("writable", "yes")
        return "" if answer == "yes" else answer.removeprefix("no, ")

    @property
    def tools(self) -> int:
        """The major version of the image's programs; 0 when it has none."""
        return int(self.found.get("tools") or "0")

    @property
    def has_new(self) -> bool:
        """Whether a base backup of an earlier run lies there, finished or not."""
        return "new" in self.found

    @property
    def has_old(self) -> bool:
        """Whether a former data directory lies there still."""
        return "old" in self.found

    @property
    def outside(self) -> str:
        """Where its links lead: pg_wal and tablespaces outside of the data directory."""
        return self.found.get("outside", "")

    @property
    def new_bytes(self) -> int:
        """What that base backup takes of the volume."""
        return int(self.found.get("new_kb") or "0") * 1024

    @property
    def finished_copy(self) -> FinishedCopy | None:
        """The complete and verified base backup beside the data directory, or in its place already."""
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
        """Whether somebody made tables or large objects in it, or gave it tablespaces."""
        return any(int(self.found.get(key) or "0") for key in ("user_files", "large_objects", "tablespaces"))


@dataclass(frozen=True)
class Classification:
    """What a directory is; `words` say why. Only `unknown` needs to be named before it is replaced."""

    kind: Kind
    summary: str

    @property
    def disposable(self) -> bool:
        """Whether nothing is lost when a base backup takes its place."""
        return self.kind != "unknown"


def classify(state: DataDirectory, system_identifier: str) -> Classification:
    """What the directory is to the primary of that system identifier.

    Disposable are: nothing; a fresh initdb of another cluster in which nobody made anything; and a former
    standby of this very primary. A directory of this cluster that was a primary itself is not.
    """
    if "phase" in state.found or (state.kind == "absent" and state.has_new and state.has_old):
        return Classification("interrupted", "a base backup that was complete and half put in place")
    if state.kind in ("absent", "empty"):
        return Classification("empty", "there is nothing")
    if state.kind != "cluster":
        return Classification("unknown", f"no data directory, but {_other(state)}")
    size = f"PostgreSQL {state.found.get('version', '?')}, {format_bytes(state.used_bytes)}"
    if state.system_identifier == system_identifier:
        return _of_this_cluster(state, size)
    if not state.user_data:
        return Classification("fresh", f"a fresh initdb of another cluster ({size}), nothing was made in it")
    words = (
        f"another cluster's data ({size}, system identifier {state.system_identifier or 'unreadable'},"
        f" {state.found.get('user_files')} files of user relations)"
    )
    return Classification("unknown", words)


def _of_this_cluster(state: DataDirectory, size: str) -> Classification:
    if state.unused:
        words = f"a base backup of this primary ({size}), put in place by an earlier run, that never streamed"
        return Classification("own standby", words)
    if state.standby:
        return Classification("own standby", f"a former standby of this primary ({size})")
    words = f"this cluster's data ({size}), state {state.found.get('state')!r}: it was a primary itself"
    return Classification("unknown", words)


def _other(state: DataDirectory) -> str:
    if state.kind == "other":
        return f"other files: {state.found.get('entries', '')}"
    return {"file": "a file", "unreadable": "something that the helper may not read"}.get(
        state.kind, state.kind
    )
