"""A base backup that an earlier run left: which is complete and verified, and what stands against it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pgnb.replication import scripts
from pgnb.replication.judgement import DirectoryState

LABEL = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nSTART TIMELINE: 3\n"


def inspected(data: Path) -> DirectoryState:
    argv = scripts.argv("libc", "outside", "inspect", args=(str(data), str(data.parent), ""))
    return DirectoryState.of(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def backup(directory: Path) -> Path:
    """A base backup with its mark, as the script leaves it."""
    directory.mkdir()
    (directory / "backup_label").write_text(LABEL)
    manifest = directory / "backup_manifest"
    manifest.write_text("{}")
    mark = subprocess.run(["cksum"], stdin=manifest.open(), capture_output=True, check=True).stdout
    (directory / ".pgnb-verified").write_bytes(mark)
    return directory


@pytest.mark.parametrize("place", ["pgdata.pgnb-new", "pgdata"])
def test_a_verified_copy_is_found_beside_the_data_and_in_their_place(tmp_path: Path, place: str) -> None:
    made = backup(tmp_path / place)
    copy = inspected(tmp_path / "pgdata").finished_copy
    assert copy is not None
    assert (copy.directory, copy.start, copy.timeline) == (str(made), "0/2000028", 3)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("backup_manifest", "of another backup, whose mark came along"),
        ("backup_label", ""),
        (".pgnb-verified", ""),
    ],
)
def test_an_unfinished_copy_is_none(tmp_path: Path, file: str, content: str) -> None:
    (backup(tmp_path / "pgdata.pgnb-new") / file).write_text(content)
    state = inspected(tmp_path / "pgdata")
    assert state.finished_copy is None
    assert state.has_new and state.new_bytes


def test_data_that_are_in_use_are_no_copy(tmp_path: Path) -> None:
    (backup(tmp_path / "pgdata") / "backup_label").rename(tmp_path / "pgdata" / "backup_label.old")
    assert inspected(tmp_path / "pgdata").finished_copy is None
