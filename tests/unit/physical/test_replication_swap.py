"""The swap of two data directories, also if interrupted at any point."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pgnb.physical import scripts


def swap(data: Path, mount: Path, goes: str = "former") -> int:
    argv = scripts.argv("outside", "clear", "swap", args=(str(data), str(mount), goes))
    return subprocess.run(argv, check=False).returncode


def fill(directory: Path, word: str, *names: str) -> None:
    directory.mkdir(parents=True)
    for name in ("PG_VERSION", "base", "postgresql.conf", "with blank", *names):
        (directory / name).write_text(word)


def words(directory: Path) -> set[str]:
    return {file.read_text() for file in directory.iterdir() if file.is_file()}


def test_below_the_mount_the_directories_are_renamed(tmp_path: Path) -> None:
    data = tmp_path / "pgdata"
    fill(data, "old")
    fill(tmp_path / "pgdata.pgnb-new", "new")
    assert swap(data, tmp_path) == 0
    assert words(data) == {"new"}
    assert words(tmp_path / "pgdata.pgnb-old") == {"old"}


def test_into_nothing(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "pgdata"
    fill(tmp_path / "deep" / "pgdata.pgnb-new", "new")
    assert swap(data, tmp_path) == 0
    assert words(data) == {"new"}


def test_stopped_between_the_two_renames_it_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "pgdata"
    fill(tmp_path / "pgdata.pgnb-old", "old")
    fill(tmp_path / "pgdata.pgnb-new", "new")
    assert swap(data, tmp_path) == 0
    assert words(data) == {"new"}
    assert words(tmp_path / "pgdata.pgnb-old") == {"old"}


def test_done_already_is_nothing_to_do_and_nothing_at_all_is_a_failure(tmp_path: Path) -> None:
    data = tmp_path / "pgdata"
    assert swap(data, tmp_path) != 0
    fill(data, "new")
    assert swap(data, tmp_path) == 0
    assert words(data) == {"new"}


def test_at_the_root_of_the_mount_the_entries_are_renamed(tmp_path: Path) -> None:
    data = tmp_path / "volume"
    fill(data, "old", ".hidden")
    (data / "lost+found").mkdir()
    fill(data / ".pgnb-new", "new", ".hidden")
    assert swap(data, data) == 0
    assert words(data) == {"new"}
    assert words(data / ".pgnb-old") == {"old"}
    assert {p.name for p in data.iterdir()} == {
        "PG_VERSION",
        "base",
        "postgresql.conf",
        "with blank",
        ".hidden",
        "lost+found",
        ".pgnb-old",
    }
    assert data.stat().st_mode & 0o777 == 0o700


def test_a_link_that_leads_nowhere_is_moved_too(tmp_path: Path) -> None:
    data = tmp_path / "volume"
    fill(data, "old")
    fill(data / ".pgnb-new", "new")
    (data / "pg_wal").symlink_to("/not mounted/old")
    (data / ".pgnb-new" / "pg_wal").symlink_to("/not mounted/new")
    assert swap(data, data) == 0
    assert (data / "pg_wal").readlink() == Path("/not mounted/new")
    assert (data / ".pgnb-old" / "pg_wal").readlink() == Path("/not mounted/old")


def _after(moves: int, data: Path, goes: str) -> None:
    """Stop the program after so many renames, as a killed pod does."""
    text = scripts.script("outside", "clear", "swap").replace(
        'mv -f -- "$1/$3" "$2/"', 'counted "$1/$3" "$2/"'
    )
    counter = data.parent / "count"
    head = (
        f'counted() {{ echo x >> {counter}; [ "$(wc -l < {counter})" -le {moves} ] || kill -9 0;'
        ' mv -f -- "$1" "$2"; }\n'
    )
    argv = ["sh", "-c", head + text, "swap", str(data), str(data), goes]
    subprocess.run(argv, check=False, start_new_session=True)


@pytest.mark.parametrize("goes", ["former", "unused"])
@pytest.mark.parametrize("moves", range(9))
def test_stopped_after_any_rename_it_goes_on_at_the_root(tmp_path: Path, moves: int, goes: str) -> None:
    data = tmp_path / "volume"
    fill(data, "old" if goes == "former" else "never started")
    if goes == "unused":
        fill(data / ".pgnb-old", "old")
    fill(data / ".pgnb-new", "new")
    _after(moves, data, goes)
    if moves < 8:
        assert (data / ".pgnb-phase").exists()
        half = [file for file in data.iterdir() if file.is_file() and file.name != ".pgnb-phase"]
        # A server must not accept a mixture: PG_VERSION exists only beside one complete data directory.
        if (data / "PG_VERSION").exists():
            assert len({file.read_text() for file in half}) == 1
    assert swap(data, data) == 0
    assert words(data) == {"new"}
    assert words(data / ".pgnb-old") == {"old"}
    assert {path.name for path in data.glob(".pgnb*")} == {".pgnb-old"}


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("stopped", [False, True])
def test_a_base_backup_in_place_that_never_streamed_goes_and_the_former_data_stay(
    tmp_path: Path, root: bool, stopped: bool
) -> None:
    data = tmp_path / "volume"
    beside = "volume/" if root else "volume"
    new, old, unused = (tmp_path / f"{beside}.pgnb-{word}" for word in ("new", "old", "unused"))
    fill(data, "never started")
    fill(old, "old")
    fill(new, "new")
    for directory, name in ((data, "2"), (old, "1"), (new, "3")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "000000010000000000000001").write_text("")
        (directory / "pg_wal").symlink_to(tmp_path / name)
    if stopped and not root:  # before what went aside was removed
        data.rename(unused)
    elif stopped:
        _after(3, data, "unused")
    assert swap(data, data if root else tmp_path, "former" if stopped else "unused") == 0
    assert words(data) == {"new"}
    assert words(old) == {"old"}
    assert not unused.exists()
    kept = [(tmp_path / name / "000000010000000000000001").exists() for name in "123"]
    assert kept == [True, False, True]


WAL = (
    "000000010000000000000001",
    "000000010000000000000002.partial",
    "00000002.history",
    "xlogtemp.29",
    "000000010000000000000001.00000028.backup",
    "archive_status/000000010000000000000001.00000028.backup.done",
    "archive_status/000000010000000000000001.ready",
    "archive_status/00000002.history.done",
    "summaries/0000000100000000010000280000000002000028.summary",
)
SOMEBODYS = (
    "20241001.sql.gz",
    "20241001-dump/table",
    "summaries/of the year",
    "archive_status/note",
    "ABCDEF01",
    "000000010000000000000003.gz",
    "00000001000000000000000A/kept",
    "PG_17_notes",
)


def linked(data: Path, wal: Path, space: Path) -> None:
    """A data directory of version 17 with WAL and a tablespace outside, beside foreign files."""
    (data / "pg_tblspc").mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n")
    (data / "pg_wal").symlink_to(wal)
    (data / "pg_tblspc" / "16384").symlink_to(space)
    for path in (
        wal / "archive_status",
        wal / "summaries",
        space / "PG_17_202406281" / "5",
        space / "PG_16_202307071",
    ):
        path.mkdir(parents=True)
    for name in WAL:
        (wal / name).write_text("")
    (space / "somebody's").write_text("")


def discard(data: Path, *unused: Path) -> None:
    argv = scripts.argv("outside", "clear", "discard", args=(str(data), *map(str, unused)))
    subprocess.run(argv, check=True)


def test_a_former_directory_goes_with_its_own_files_outside_and_no_others(tmp_path: Path) -> None:
    data, old = tmp_path / "pgdata", tmp_path / "pgdata.pgnb-old"
    linked(old, tmp_path / "wal", tmp_path / "space")
    discard(data, old)
    assert {path.name for path in tmp_path.rglob("*")} == {"space", "PG_16_202307071", "somebody's"}


@pytest.mark.parametrize("of_wal", [True, False])
def test_files_that_are_not_postgresqls_stay_whatever_lies_beside_them(tmp_path: Path, of_wal: bool) -> None:
    data, old, place = tmp_path / "pgdata", tmp_path / "pgdata.pgnb-old", tmp_path / "shared"
    linked(old, place if of_wal else tmp_path / "wal", tmp_path / "space" if of_wal else place)
    for name in SOMEBODYS:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("")
    discard(data, old)
    assert not (tmp_path / "wal").exists()
    left = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    assert left - {"somebody's"} == set(SOMEBODYS)


def test_what_the_data_directory_in_use_leads_to_stays(tmp_path: Path) -> None:
    data, old = tmp_path / "pgdata", tmp_path / "pgdata.pgnb-old"
    for directory in (data, old):
        directory.mkdir()
        (directory / "pg_wal").symlink_to(tmp_path / "wal")
    (tmp_path / "wal").mkdir()
    (tmp_path / "wal" / "000000010000000000000001").write_text("")
    discard(data, old)
    assert not old.exists()
    assert (tmp_path / "wal" / "000000010000000000000001").exists()


def test_an_unfinished_copy_goes_with_the_places_that_it_had_noted(tmp_path: Path) -> None:
    data, new = tmp_path / "pgdata", tmp_path / "pgdata.pgnb-new"
    new.mkdir()
    (tmp_path / "space" / "PG_17_202406281").mkdir(parents=True)
    (tmp_path / "pgdata.pgnb-new.places").write_text(f"{tmp_path / 'space'}\n")
    discard(data, new)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("removals", range(8))
def test_a_copy_whose_removal_was_stopped_is_no_complete_one(tmp_path: Path, removals: int) -> None:
    data, new = tmp_path / "pgdata", tmp_path / "pgdata.pgnb-new"
    linked(new, tmp_path / "wal", tmp_path / "space")
    (new / ".pgnb-verified").write_text("")
    before = {str(path) for path in tmp_path.rglob("*")}
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "rm").write_text(
        f"#!/bin/sh\necho x >> {tmp_path}/count\n"
        f'[ "$(wc -l < {tmp_path}/count)" -le {removals} ] || kill -9 0\nexec /bin/rm "$@"\n'
    )
    (tmp_path / "bin" / "rm").chmod(0o755)
    argv = scripts.argv("outside", "clear", "discard", args=(str(data), str(new)))
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    subprocess.run(argv, check=False, start_new_session=True, env=environment)
    after = {str(path) for path in tmp_path.rglob("*")}
    assert (new / ".pgnb-verified").exists() == (before <= after)
    discard(data, new)
    assert not new.exists() and not (tmp_path / "wal").exists()
