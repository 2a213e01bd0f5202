"""The format of container logs."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from pgnb_rehearsal.pods.crilog import LARGEST_LINE, ContainerLog, timestamp

LINE = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (stdout|stderr) ([FP]) (.*)")


def written(path: Path, *chunks: bytes) -> list[tuple[bytes, bytes, bytes]]:
    async def write() -> None:
        log = ContainerLog(path)
        reader, writer = os.pipe()
        await log.follow("stdout", reader)
        for chunk in chunks:
            await asyncio.to_thread(os.write, writer, chunk)
        os.close(writer)
        await log.drain(5)

    asyncio.run(write())
    matches = [LINE.fullmatch(line) for line in path.read_bytes().splitlines()]
    return [(match[2], match[3], match[4]) for match in matches if match]


def test_lines(tmp_path: Path) -> None:
    assert written(tmp_path / "log", b"one\ntw", b"o\n\n") == [
        (b"stdout", b"F", b"one"),
        (b"stdout", b"F", b"two"),
        (b"stdout", b"F", b""),
    ]


def test_a_line_without_end_is_partial(tmp_path: Path) -> None:
    assert written(tmp_path / "log", b"no newline") == [(b"stdout", b"P", b"no newline")]


def test_long_lines_are_cut(tmp_path: Path) -> None:
    entries = written(tmp_path / "log", b"x" * (2 * LARGEST_LINE + 5) + b"\n")
    assert [len(text) for _, _, text in entries] == [LARGEST_LINE, LARGEST_LINE, 5]
    assert [mark for _, mark, _ in entries] == [b"P", b"P", b"F"]


def test_the_file_is_appended_to(tmp_path: Path) -> None:
    written(tmp_path / "log", b"first\n")
    assert [text for _, _, text in written(tmp_path / "log", b"second\n")] == [b"first", b"second"]


def test_timestamp() -> None:
    assert timestamp(1_700_000_000_000_000_007) == "2023-11-14T22:13:20.000000007Z"
