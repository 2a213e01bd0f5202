"""What an auditor asks of a record: on top of its page, on the index's card, and by `records show`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from pgnb.cli import main
from pgnb.runbook import runner
from pgnb.runbook.records import Archive, Record
from pgnb.runbook.summary import QUESTIONS, VERDICTS, summary_of
from pgnb.runbook.verdict import Verdict

WORK = """from pgnb.core.checks import Check, Checks, verify
from pgnb.core.plan import Change, Step
journal.facts(cluster="https://127.0.0.1:1", namespace="prod", user="system:serviceaccount:prod:pgnb")
journal.server("db-0", role="primary", postgresql="17.10", system_identifier="7312", timeline=3)
Change("a setting", journal, "a\\n", "b\\n", [Step("db-0", "ALTER SYSTEM SET a", lambda: "set")],
       undo_text="ALTER SYSTEM RESET a").apply()
verify(Checks.of("Clients", [Check("longest gap in its writes", True, "84 ms", "at most 5 s")], journal))"""
IDLE = """from pgnb.core.plan import Change
Change("slots", journal)"""
FAILS = """from pgnb.core.errors import PodError
raise PodError("no pod", found="none", remedy="Scale it up.")"""


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "records")


def ran(make_notebook: Callable[..., Path], archive: Archive, *cells: str) -> Record:
    return runner.run(make_notebook(*cells), {"rows": 2}, archive, progress=False)


def test_each_question_is_answered_from_the_record(
    make_notebook: Callable[..., Path], archive: Archive
) -> None:
    record = ran(make_notebook, archive, WORK, "finish(run)")
    summary = summary_of(archive, record)
    assert [answer.key for answer in summary.answers] == [key for key in QUESTIONS if key != "facts"]
    assert "Kubernetes: system:serviceaccount:prod:pgnb" in summary["ran"].lines
    assert "system identifier 7312, timeline 3" in summary["where"].lines[1]
    assert re.search(r"UTC db-0: ALTER SYSTEM SET a → set \(\d", summary["changed"].lines[0])
    assert summary["service"].lines == ("84 ms",)
    assert summary["undo"].lines == ("a setting: ALTER SYSTEM RESET a",)
    assert summary["open"].lines == ("nothing",)
    assert summary_of(archive, record, "ja")["open"].lines == ("なし",)


def test_the_page_has_the_verdict_on_top_in_both_languages(
    make_notebook: Callable[..., Path], archive: Archive
) -> None:
    record = ran(make_notebook, archive, WORK, "finish(run)")
    page = (archive.path(record) / "notebook.html").read_text("utf-8")
    top = page[page.index("<body") :][:6000]
    assert "passed · 成功" in top and "Who approved · 承認者" in top
    assert '<details class="pgnb-passed">' in page
    assert archive.verify() == []


def test_a_failed_check_stands_open_and_an_error_shows_no_frames(
    make_notebook: Callable[..., Path], archive: Archive
) -> None:
    record = ran(make_notebook, archive, FAILS, "finish(run)")
    page = (archive.path(record) / "notebook.html").read_text("utf-8")
    assert "Scale it up." in page and "Traceback" not in page
    assert summary_of(archive, record)["open"].lines[0].startswith("PodError: no pod")


def test_the_index_is_a_card_a_record_with_what_it_is_found_by(
    make_notebook: Callable[..., Path], archive: Archive
) -> None:
    ran(make_notebook, archive, WORK, "finish(run)")
    page = (archive.folder / "index.html").read_text("utf-8")
    assert 'data-verdict="passed"' in page and 'data-server="db-0"' in page
    assert "How long clients could not write · クライアントが書き込めなかった時間" in page


def test_a_record_is_shown_as_text_and_as_markdown(
    make_notebook: Callable[..., Path], archive: Archive
) -> None:
    ran(make_notebook, archive, WORK, "finish(run)")
    where = ("--records", str(archive.folder))
    text = CliRunner().invoke(main, ["records", "show", "1", *where])
    assert (text.exit_code, "What was changed: " in text.output) == (0, True)
    marked = CliRunner().invoke(main, ["records", "show", "1", "--markdown", "--lang", "ja", *where])
    assert "- **実際の変更**: " in marked.output


def test_two_records_are_compared_by_acts_and_checks(
    make_notebook: Callable[..., Path], archive: Archive
) -> None:
    ran(make_notebook, archive, WORK, "finish(run)")
    ran(make_notebook, archive, WORK.replace("84 ms", "2.1 s").replace('"set"', '"set again"'), "finish(run)")
    done = CliRunner().invoke(main, ["records", "compare", "1", "2", "--records", str(archive.folder)])
    assert "check: Clients: longest gap in its writes" in done.output and "passed: 2.1 s" in done.output
    assert "act: db-0: ALTER SYSTEM SET a" in done.output and "set again" in done.output


def test_every_verdict_has_its_words_in_both_languages() -> None:
    assert VERDICTS.keys() == set(Verdict)


def test_a_section_in_which_nothing_was_to_do_is_one_line(
    make_notebook: Callable[..., Path], archive: Archive
) -> None:
    path = make_notebook(IDLE, "42", "finish(run)")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(2, nbformat.v4.new_markdown_cell("## 2.1 Slots"))
    notebook.cells.insert(4, nbformat.v4.new_markdown_cell("## 2.2 Roles"))
    nbformat.write(notebook, path)
    record = runner.run(path, {"rows": 2}, archive, progress=False)
    page = (archive.path(record) / "notebook.html").read_text("utf-8")
    assert "<summary>2.1 Slots: nothing to do · 変更なし</summary>" in page
    assert "2.2 Roles: nothing to do" not in page
    assert page.index('pgnb-skipped">') < page.index("2.1 Slots: nothing") < page.index("</details>")
    assert '<a href="#2.1-Slots">2.1 Slots</a>' in page
