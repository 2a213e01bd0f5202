import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pgnb.cli import main
from pgnb.core.errors import RecordError
from pgnb.core.journal import Journal
from pgnb.runbook import pages, records
from pgnb.runbook.chain import seal_of
from pgnb.runbook.records import Archive, concluded
from pgnb.runbook.verdict import Verdict, read


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "records")


def _sealed(archive: Archive, number: int):
    record = archive.open(Path(f"0{number}_x.ipynb").absolute(), {"n": number})
    journal = archive.path(record) / "journal.jsonl"
    journal.write_text(
        '{"kind": "facts", "context": "<b>here</b>"}\n{"kind": "finished", "dry_run": false}\n'
    )
    return archive.seal(concluded(record, read(journal), Verdict.PASSED))


def test_the_chain_is_whole_until_something_is_changed(archive):
    records = [_sealed(archive, number) for number in (1, 2, 3)]
    assert archive.verify() == []
    assert [r.number for r in archive.all()] == [1, 2, 3]
    journal = archive.path(records[1]) / "journal.jsonl"
    journal.write_text(journal.read_text() + "\n")
    assert archive.verify() == [f"{records[1].name}: journal.jsonl was changed after it was sealed"]


def test_a_changed_verdict_is_found(archive):
    record = _sealed(archive, 1)
    path = archive.path(record) / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"verdict": "failed"}))
    assert archive.verify() == [f"{record.name}: record.json was changed after it was sealed"]


def test_a_removed_record_is_found(archive):
    records = [_sealed(archive, number) for number in (1, 2, 3)]
    for path in archive.path(records[1]).iterdir():
        path.unlink()
    faults = archive.verify()
    assert any("one is missing" in fault for fault in faults)
    assert any("does not follow" in fault for fault in faults)


def test_the_newest_record_removed_or_made_anew_is_found(archive):
    records = [_sealed(archive, number) for number in (1, 2)]
    head = archive.head()
    assert head == (2, records[1].seal)
    shutil.rmtree(archive.path(records[1]))
    assert archive.verify() == [
        "the newest record is number 1, and the file head says 2: one was removed or changed"
    ]
    (archive.folder / "head").unlink()
    assert archive.verify() == []
    assert archive.verify(records[0].seal) == []
    forged = archive.verify(records[1].seal)
    assert forged == [
        f"no record has the seal {records[1].seal}: the archive is not the one that it was taken from"
    ]


def test_a_chain_that_was_made_anew_is_found_by_a_seal_kept_elsewhere(archive):
    kept = _sealed(archive, 1).seal
    record = archive.read()[0][0]
    path = archive.path(record) / "record.json"
    forged = replace(record, who="somebody else")
    path.write_text(json.dumps(asdict(replace(forged, seal=seal_of(forged)))))
    (archive.folder / "head").unlink()
    assert archive.verify() == []
    assert archive.verify(kept) != []


def test_what_was_added_is_found_and_verify_writes_nothing(archive):
    record = _sealed(archive, 1)
    still_open = archive.open(Path("02_x.ipynb").absolute(), {})
    (archive.path(record) / "extra.txt").write_text("")
    (archive.folder / "stranger").mkdir()
    before = {path: path.stat().st_mtime_ns for path in archive.folder.rglob("*")}
    assert archive.verify() == [
        f"{record.name}: extra.txt was added after it was sealed",
        "stranger: a folder without a record.json",
    ]
    assert {path: path.stat().st_mtime_ns for path in archive.folder.rglob("*")} == before
    assert [r.seal for r in archive.read()[0] if r.name == still_open.name] == [""]


@pytest.mark.parametrize("content", ["", "[1]", '{"files": [1]}', "\x00\x01", "9" * 10])
def test_one_bad_record_is_reported_and_the_rest_goes_on(archive, content):
    records = [_sealed(archive, number) for number in (1, 2)]
    (archive.path(records[1]) / "record.json").write_text(content)
    assert [r.number for r in archive.all()] == [1]
    third = _sealed(archive, 3)
    assert (third.number, third.previous) == (3, records[1].seal)
    faults = archive.verify()
    assert any(f"{records[1].name}: record.json cannot be read as a record" in fault for fault in faults)
    assert "cannot be read" in pages.write_index(archive).read_text()
    listed = CliRunner().invoke(main, ["records", "list", "--records", str(archive.folder)])
    assert listed.exit_code == 0
    assert "left out:" in listed.output


@pytest.mark.parametrize("field", [{"files": [1]}, {"verdict": "fine"}, {"servers": [1]}, {"number": "1"}])
def test_a_record_with_a_wrong_type_is_reported(archive, field):
    path = archive.path(_sealed(archive, 1)) / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | field))
    assert archive.all() == []
    assert "cannot be read as a record" in archive.verify()[0]


def test_an_archive_without_a_readable_head_is_refused_before_the_run(archive):
    _sealed(archive, 1)
    (archive.folder / "head").write_text("?")
    with pytest.raises(RecordError, match="number and seal"):
        archive.open(Path("02_x.ipynb").absolute(), {})
    assert len(list(archive.folder.glob("*/record.json"))) == 1


def test_a_run_of_another_machine_is_never_sealed_from_here(archive):
    record = archive.open(Path("02_x.ipynb").absolute(), {})
    here, _, number = str(record.process["name"]).partition("/")
    elsewhere = replace(record, process={"pid": 1, "name": f"{here[:-1]}x/{number}"}, host="elsewhere")
    (archive.path(record) / "record.json").write_text(json.dumps(asdict(elsewhere)))
    assert [r.verdict for r in archive.all()] == ["running"]
    gone = replace(record, process={"pid": 1, "name": f"{str(record.process['name']).rpartition('-')[0]}-1"})
    (archive.path(record) / "record.json").write_text(json.dumps(asdict(gone)))
    assert [r.verdict for r in archive.all()] == ["killed"]


def test_records_are_private(archive):
    record = _sealed(archive, 1)
    pages.write_index(archive)
    assert archive.folder.stat().st_mode & 0o77 == 0
    for path in [archive.path(record), *archive.path(record).rglob("*"), archive.folder / "head"]:
        assert path.stat().st_mode & 0o77 == 0, path


def test_an_absent_folder_is_no_empty_archive(tmp_path):
    for command in (["verify"], ["list"], ["index"], ["compare", "1", "2"]):
        result = CliRunner().invoke(main, ["records", *command, "--records", str(tmp_path / "typo")])
        assert result.exit_code == 2
        assert "there is no folder" in result.output
    result = CliRunner().invoke(main, ["records", "verify", "--records", str(tmp_path)])
    assert (result.exit_code, "there is no record in" in result.output) == (2, True)


def test_verify_prints_the_head_and_takes_one(archive):
    record = _sealed(archive, 1)
    folder = ["--records", str(archive.folder)]
    shown = CliRunner().invoke(main, ["records", "verify", *folder])
    assert f"head: 1 {record.seal}" in shown.output
    assert (
        CliRunner().invoke(main, ["records", "verify", "--expect", record.seal[:16], *folder]).exit_code == 0
    )
    assert CliRunner().invoke(main, ["records", "verify", "--expect", "0" * 64, *folder]).exit_code == 1
    assert CliRunner().invoke(main, ["records", "verify", "--expect", "ab", *folder]).exit_code == 2


def test_no_folder_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="no record can be written"):
        Archive(tmp_path / "file").open(Path("02_x.ipynb").absolute(), {})


def test_the_index_escapes_and_lists_the_newest_first(archive):
    _sealed(archive, 1)
    _sealed(archive, 2)
    page = pages.write_index(archive, summary="rows & <gaps>").read_text()
    assert page.index('<article data-notebook="02_x"') < page.index('<article data-notebook="01_x"')
    assert "&lt;b&gt;here&lt;/b&gt;" in page
    assert "rows &amp; &lt;gaps&gt;" in page


def test_a_broken_guarantee_stands_in_red_above_the_records(archive):
    assert 'class="summary"' in pages.write_index(archive, summary="kept").read_text()
    page = pages.write_index(archive, summary="GUARANTEE BROKEN", failed=True).read_text()
    assert 'class="summary broken"' in page
    assert ".summary.broken { border-left-color: #cf222e" in page


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085"])
def test_a_line_separator_in_a_text_ends_no_line(tmp_path, separator):
    journal = Journal(tmp_path / "journal.jsonl")
    with journal.act("db", f"ALTER TABLE a{separator}b"):
        pass
    journal.finished()
    evidence = read(tmp_path / "journal.jsonl")
    assert (evidence.changes, evidence.finished) == (1, True)


@pytest.mark.parametrize(
    "content",
    [b"[]", b"1", b'{"nokind": 1}', b'{"kind": "checks", "items": [{}]}', b"\xff\xfe\x00", b"[" * 9999],
)
def test_judge_names_what_is_no_journal(tmp_path, content):
    (tmp_path / "j").write_bytes(content)
    result = CliRunner().invoke(main, ["judge", str(tmp_path / "j")])
    assert result.exit_code == 2
    assert "is not a journal of pgnb" in result.output


def test_a_torn_journal_is_read_up_to_the_tear(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"kind": "begin", "at": "t", "target": "d", "what": "x"}\n{"kind": "en')
    evidence = read(path)
    assert (evidence.begun, evidence.acts, evidence.finished) == (1, (), False)


def test_notebooks_that_came_with_the_package_have_the_commit_of_its_image(archive, monkeypatch):
    monkeypatch.setenv("PGNB_COMMIT", "0" * 40)
    carried = Path(records.__file__).parents[1] / "notebooks" / "00_overview.ipynb"
    assert archive.open(carried, {}).commit == "0" * 40
    assert archive.open(Path("00_overview.ipynb").absolute(), {}).commit != "0" * 40


def test_a_user_without_a_name_is_a_number(archive, monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 1000680000)
    assert archive.open(Path("00_x.ipynb").absolute(), {}).who == "uid 1000680000"
