"""Timelines: find the fork of two histories of one database cluster, as pg_rewind does.

An LSN is a number of bytes here; see `pgnb.postgres.progress` for its text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from pgnb.postgres import Server
from pgnb.postgres.config.files import read_file
from pgnb.postgres.progress import lsn_bytes

_LINE = re.compile(r"\s*(\d+)\s+([0-9A-Fa-f]+/[0-9A-Fa-f]+)")


@dataclass(frozen=True)
class History:
    """A server's timeline, and its ancestors as (timeline, LSN where it ended), oldest first."""

    timeline: int
    ancestors: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, timeline: int, text: str) -> History:
        """Parse a history file's text; lines that name no ancestor are comments."""
        found = (_LINE.match(line) for line in text.splitlines())
        return cls(timeline, tuple((int(m[1]), lsn_bytes(m[2])) for m in found if m))

    @property
    def spans(self) -> tuple[tuple[int, int, int | None], ...]:
        """(timeline, begin, end) of each timeline; the end of the present one is None."""
        ends = [(0, 0), *self.ancestors]
        begun = [end for _, end in ends]
        lived = [(timeline, begin, end) for (_, begin), (timeline, end) in pairwise(ends)]
        return (*lived, (self.timeline, begun[-1], None))


@dataclass(frozen=True)
class Fork:
    """The last timeline that two servers share, and the LSN of the fork; None if they never diverged."""

    timeline: int
    lsn: int | None


def fork(one: History, other: History) -> Fork | None:
    """Return where two histories fork; None if they share no timeline."""
    found: Fork | None = None
    for (timeline, begin, end), (its, its_begin, its_end) in zip(one.spans, other.spans, strict=False):
        if (timeline, begin) != (its, its_begin):
            break
        ends = [lsn for lsn in (end, its_end) if lsn is not None]
        found = Fork(timeline, min(ends) if ends else None)
    return found


def history_of(server: Server) -> History:
    """Read a running server's history from its pg_wal; timeline 1 has no file."""
    facts = server.facts
    path = f"{facts.data_directory}/pg_wal/{history_name(facts.timeline)}"
    return History.of(facts.timeline, read_file(server, path) or "")


def history_name(timeline: int) -> str:
    """Return the name of a timeline's history file."""
    return f"{timeline:08X}.history"


def segment_of(lsn: int, segment_size: int) -> str:
    """Return the name, without its timeline, of the WAL segment that holds the LSN."""
    number, per_log = lsn // segment_size, 0x1_0000_0000 // segment_size
    return f"{number // per_log:08X}{number % per_log:08X}"


def segment_start(name: str, segment_size: int) -> int:
    """Return the first LSN of a WAL file, by its name of 24 hexadecimal digits."""
    return int(name[8:16], 16) << 32 | int(name[16:24], 16) * segment_size
