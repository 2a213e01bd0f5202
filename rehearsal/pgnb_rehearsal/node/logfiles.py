"""Containers' log files: the CRI format `<RFC 3339 time, nanoseconds> <stream> <F|P> <text>`, one a line."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_STAMP_LENGTH = len("2026-11-22T20:32:11.123456789Z")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Selection:
    """Which lines of a log: the last `tail` (None: all), those not before `since` (an RFC 3339 time with nine
    decimals, in UTC; empty: all), each with its time when `timestamps`."""

    tail: int | None = None
    since: str = ""
    timestamps: bool = False

    def shown(self, line: bytes) -> bytes:
        """A line of the file as a client reads it; empty when it is too old."""
        stamp, _, rest = line.partition(b" ")
        _stream, _, rest = rest.partition(b" ")
        tag, _, text = rest.partition(b" ")
        if self.since and stamp[:_STAMP_LENGTH].decode() < self.since:
            return b""
        if tag.startswith(b"P"):
            text = text.removesuffix(b"\n")
        return stamp + b" " + text if self.timestamps else text


class LogReader:
    """Reads a log that may still grow, from its beginning or its last lines; use as a context manager."""

    def __init__(self, path: Path, selection: Selection) -> None:
        self._path = path
        self._selection = selection
        self._file: BinaryIO | None = None
        self._rest = b""

    def __enter__(self) -> LogReader:
        self._file = self._path.open("rb")
        if self._selection.tail is not None:
            self._file.seek(_start_of_last(self._file, self._selection.tail))
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self) -> bytes:
        """What was written since the last call, up to a megabyte; empty when there is nothing new."""
        if self._file is None:
            raise ValueError("the log is not open")
        while chunk := self._file.read(_CHUNK):
            lines = (self._rest + chunk).splitlines(keepends=True)
            self._rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
            text = b"".join(map(self._selection.shown, lines))
            if text:
                return text
        return b""


def _start_of_last(file: BinaryIO, count: int) -> int:
    """The offset at which the last `count` lines of the file begin."""
    end = file.seek(0, os.SEEK_END)
    if count == 0:
        return end
    starts: deque[int] = deque(maxlen=count + 1)
    for starts_here in _line_starts_backwards(file, end):
        starts.append(starts_here)
        if len(starts) == count:
            return starts_here
    return 0


def _line_starts_backwards(file: BinaryIO, end: int) -> Iterator[int]:
    """The offsets at which lines begin, the last line first."""
    position = end
    while position > 0:
        size = min(_CHUNK, position)
        position -= size
        file.seek(position)
        chunk = file.read(size)
        found = chunk.rfind(b"\n")
        while found >= 0:
            if position + found + 1 < end:
                yield position + found + 1
            found = chunk.rfind(b"\n", 0, found)
    if end > 0:
        yield 0


def last_text(path: Path, lines: int, size: int) -> str:
    """The last lines of a log, at most `size` characters: a termination message that falls back on logs."""
    if not path.exists():
        return ""
    with LogReader(path, Selection(tail=lines)) as reader:
        return reader.read().decode(errors="replace")[-size:]
