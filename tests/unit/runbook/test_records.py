import json
from pathlib import Path

import pytest

from pgnb.errors import RecordError
from pgnb.runbook import pages
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


def test_no_folder_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="no record can be written"):
        Archive(tmp_path / "file").open(Path("02_x.ipynb").absolute(), {})


def test_the_index_escapes_and_lists_the_newest_first(archive):
    _sealed(archive, 1)
    _sealed(archive, 2)
    page = pages.write_index(archive, summary="rows & <gaps>").read_text()
    assert page.index("02_x") < page.index("01_x")
    assert "&lt;b&gt;here&lt;/b&gt;" in page
    assert "rows &amp; &lt;gaps&gt;" in page


def test_a_broken_promise_stands_in_red_above_the_records(archive):
    assert 'class="summary"' in pages.write_index(archive, summary="kept").read_text()
    page = pages.write_index(archive, summary="PROMISE BROKEN", failed=True).read_text()
    assert 'class="summary broken"' in page
    assert ".summary.broken { border-left-color: #cf222e" in page


def test_a_torn_journal_is_read_up_to_the_tear(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"kind": "begin", "what": "x"}\n{"kind": "en')
    evidence = read(path)
    assert (evidence.begun, evidence.acts, evidence.finished) == (1, (), False)
