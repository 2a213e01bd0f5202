"""Base backups of an earlier run: which are complete and verified, and why one is not used."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from pgnb.cluster import ExecResult
from pgnb.physical import scripts
from pgnb.physical.copies import misplaced
from pgnb.physical.data_directory import DataDirectory, FinishedCopy
from pgnb.physical.outside import Outside, Place
from pgnb.physical.target import inspect

LABEL = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nSTART TIMELINE: 3\n"


def inspected(data: Path, *places: Path) -> DataDirectory:
    arguments = (str(data), str(data.parent), "", *map(str, places))
    argv = scripts.argv("libc", "outside", "inspect", args=arguments)
    return DataDirectory.of(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


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


def test_where_a_copy_has_its_wal_and_its_tablespaces(tmp_path: Path) -> None:
    made = backup(tmp_path / "pgdata.pgnb-new")
    (made / "pg_wal").symlink_to("/wal/pg_wal.2")
    (made / "pg_tblspc").mkdir()
    for number, path in (("9", "/ts/late"), ("16384", "/ts/with blank")):
        (made / "pg_tblspc" / number).symlink_to(path)
    copy = inspected(tmp_path / "pgdata").finished_copy
    assert copy is not None
    assert (copy.wal, copy.spaces) == ("/wal/pg_wal.2", ("/ts/with blank", "/ts/late"))


def test_where_the_former_data_have_their_wal_is_known_amid_a_swap(tmp_path: Path) -> None:
    old = tmp_path / "pgdata.pgnb-old"
    old.mkdir()
    (old / "pg_wal").symlink_to("/own/pg_wal")
    argv = scripts.argv("outside", "leads", args=(str(tmp_path / "pgdata"), str(tmp_path)))
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert said == "wal=/own/pg_wal\noutside=/own/pg_wal\n"


def test_a_look_is_given_time_and_counts_each_directory_once(tmp_path: Path) -> None:
    """Counting millions of files takes minutes, and the default timeout of an exec is one minute."""
    ran: list[tuple[str, float]] = []

    def run(argv: Sequence[str], *, timeout: float = 60.0) -> ExecResult:
        ran.append((argv[2], timeout))
        begun = subprocess.run(argv, capture_output=True, check=True)
        return ExecResult(tuple(argv), begun.stdout, begun.stderr, begun.returncode, 0.0)

    data = backup(tmp_path / "pgdata")
    (data / "PG_VERSION").write_text("17")
    (data / "pg_wal").symlink_to(tmp_path / "wal")
    state = inspect(run, str(data), str(tmp_path), "", lambda leads: [leads.found["wal"]])
    assert state.found["place_1"] == f"{tmp_path / 'wal'}.2"
    assert min(timeout for _, timeout in ran) >= 600
    assert [script.count("du -sk") > 0 for script, _ in ran] == [False, True]


@pytest.mark.parametrize(
    ("wal", "spaces", "words"),
    [
        ("/wal/pg_wal", ("/ts/a", "/ts/b"), ""),
        ("/wal/pg_wal.3", ("/ts/a.2", "/ts/b"), ""),
        ("", ("/ts/a", "/ts/b"), "it has pg_wal in the data directory, and /wal/pg_wal is planned"),
        (
            "/wal/pg_wal",
            ("/ts/b", "/ts/a"),
            "it has tablespaces at /ts/b, /ts/a, and /ts/a, /ts/b is planned",
        ),
        ("/wal/pg_wal", ("/ts/a",), "it has tablespaces at /ts/a, and /ts/a, /ts/b is planned"),
        ("/wal/pg_wal", (), "it has tablespaces at no place of their own, and"),
        ("/wal/pg_wal", ("/ts/a", "/ts/b", "/ts/c"), "and /ts/a, /ts/b is planned"),
    ],
)
def test_a_copy_with_other_places_than_planned_is_not_used(
    wal: str, spaces: tuple[str, ...], words: str
) -> None:
    copy = FinishedCopy("/data", 1, "0/28", 1, "7", wal, spaces)
    planned = [
        Place(Outside(path, path, 1, wal=path == "/wal/pg_wal"), path, "c")
        for path in ("/wal/pg_wal", "/ts/a", "/ts/b")
    ]
    assert words in misplaced(copy, planned)
    assert bool(misplaced(copy, planned)) is bool(words)
    assert not misplaced(FinishedCopy("/data", 1, "0/28", 1, "7"), [])


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


def test_a_copy_in_place_is_unused_until_it_streams(tmp_path: Path) -> None:
    """Until then the old data beside it are kept."""
    data = backup(tmp_path / "pgdata")
    for name in ("PG_VERSION", "standby.signal", "global/pg_control"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_text("17\n")
    assert not inspected(data).unused
    (tmp_path / "pgdata.pgnb-old").mkdir()
    (tmp_path / "pgdata.pgnb-new").mkdir()  # a copy that replaces it, unfinished
    assert inspected(data).unused
    (data / ".pgnb-verified").unlink()
    assert not inspected(data).unused


def test_what_lies_in_a_place_is_refused_unless_an_unfinished_copy_left_it(tmp_path: Path) -> None:
    place = tmp_path / "space"
    (place / "PG_17_202406281").mkdir(parents=True)
    state = inspected(tmp_path / "pgdata", place)
    assert state.found["place_1_holds"] == "PG_17_202406281"
    (tmp_path / "pgdata.pgnb-new.places").write_text(f"{place}\n")
    assert "place_1_holds" not in inspected(tmp_path / "pgdata", place).found


def test_a_place_that_the_data_directory_leads_to_is_left_alone(tmp_path: Path) -> None:
    place, data = tmp_path / "wal", tmp_path / "pgdata"
    data.mkdir()
    (data / "pg_wal").symlink_to(place)
    assert inspected(data, place).found["place_1"] == f"{place}.2"


def test_what_looks_into_a_volume_fits_into_a_url() -> None:
    places = [f"/tablespaces/of-a-name-of-some-length/{number}" for number in range(10)]
    argv = scripts.argv(
        "libc",
        "outside",
        "inspect",
        args=("/var/lib/postgresql/data/pgdata",) * 3 + (*places,),
    )
    assert sum(len("&command=") + len(quote_plus(word)) for word in argv) < 8000
