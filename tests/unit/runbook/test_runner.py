"""Runs to every kind of end: the verdict must come from the evidence. Kernels are real where one ends."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from pgnb.core.errors import GateClosed
from pgnb.core.journal import PATH_VARIABLE
from pgnb.core.wait import wait_until
from pgnb.runbook import pages, runner
from pgnb.runbook.records import Archive
from pgnb.runbook.verdict import EXIT_CODES, Verdict, judge, read
from tests.unit.runbook.conftest import START

ACT = "with journal.act('db', 'do it'):\n    pass"
FINISH = "finish(run)"
CLOSED = "from pgnb.core.errors import GateClosed\nraise GateClosed('no')"
PLANS = """from pgnb.core.checks import Check, Checks, gate
journal.dry_run = True
gate(Checks.of('may it', [Check('allowed', False, 'no', 'yes')], journal))"""
SWALLOWED = """from pgnb.core.checks import Check, Checks, verify
try:
    verify(Checks.of("after", [Check("rows", False, 1, 2)], journal))
except Exception:
    print("hidden")"""


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "records")


@pytest.mark.parametrize(
    ("cells", "verdict", "exit_code"),
    [
        ([ACT, "import sys; sys.exit(0)", FINISH], Verdict.INCOMPLETE, 4),
        ([ACT, "import os; os.kill(os.getpid(), 9)", FINISH], Verdict.KILLED, 4),
        ([ACT, "1/0", FINISH], Verdict.FAILED, 1),
        ([ACT, CLOSED, FINISH], Verdict.STOPPED_LATER, 6),
    ],
)
def test_every_end_of_a_kernel_has_its_verdict(make_notebook, archive, cells, verdict, exit_code):
    record = runner.run(make_notebook(*cells), {"rows": 2}, archive, progress=False)
    assert (record.verdict, record.exit_code) == (verdict, exit_code)
    assert record.seal
    assert archive.verify() == []
    assert (archive.path(record) / "notebook.html").exists()
    assert "index.html" in {path.name for path in archive.folder.iterdir()}


def test_what_a_run_writes_is_private_from_the_first_moment(make_notebook, archive):
    """A run that is killed is never sealed, and a copy of its folder keeps the modes of the files."""
    look = """import os
from pathlib import Path
for path in Path(os.environ["PGNB_JOURNAL"]).parent.iterdir():
    print(path.name, oct(path.stat().st_mode & 0o77))"""
    record = runner.run(make_notebook(ACT, look, FINISH), {}, archive, progress=False)
    cells = nbformat.read(archive.path(record) / "notebook.ipynb", as_version=4).cells
    seen = dict(line.split() for line in cells[-2].outputs[0].text.splitlines())
    assert {"journal.jsonl", "notebook.ipynb", "record.json"} <= seen.keys()
    assert set(seen.values()) == {"0o0"}


@pytest.mark.parametrize(
    ("cells", "verdict", "exit_code"),
    [
        ([ACT, FINISH], Verdict.PASSED, 0),
        ([ACT], Verdict.INCOMPLETE, 4),
        ([CLOSED, FINISH], Verdict.STOPPED, 3),
        (["journal.dry_run = True", FINISH], Verdict.PLANNED, 0),
        ([PLANS, FINISH], Verdict.WOULD_STOP, 7),
        ([SWALLOWED, FINISH], Verdict.FAILED, 1),
    ],
)
def test_what_the_journal_has_decides(tmp_path, monkeypatch, cells, verdict, exit_code):
    """The cells run without a kernel; the error that ends one has its name from there."""
    monkeypatch.setenv(PATH_VARIABLE, str(tmp_path / "journal.jsonl"))
    error = ""
    try:
        exec("\n".join([START, *cells]), {})
    except GateClosed as closed:
        error = type(closed).__name__
    judged = judge(read(tmp_path / "journal.jsonl"), error=error)
    assert (judged, EXIT_CODES[judged]) == (verdict, exit_code)


def test_the_deadline_is_for_the_whole_notebook(make_notebook, archive):
    notebook = make_notebook("from threading import Event; Event().wait(3000)", FINISH)
    record = runner.run(notebook, {}, archive, timeout=4, progress=False)
    assert record.verdict == Verdict.TIMEOUT


def test_parameters_reach_the_notebook_and_the_journal_reaches_the_record(make_notebook, archive):
    record = runner.run(make_notebook("print(rows)", ACT, FINISH), {"rows": 7}, archive, progress=False)
    executed = nbformat.read(archive.path(record) / "notebook.ipynb", as_version=4)
    assert "7" in [o.text.strip() for c in executed.cells for o in c.get("outputs", ()) if "text" in o]
    assert (record.verdict, record.exit_code, record.changes) == (Verdict.PASSED, 0, 1)
    assert "PGNB_JOURNAL" not in os.environ


@pytest.mark.parametrize(
    ("number", "verdict"),
    [
        (signal.SIGINT, Verdict.INTERRUPTED),
        (signal.SIGTERM, Verdict.INTERRUPTED),
        (signal.SIGKILL, Verdict.KILLED),
    ],
)
def test_a_run_ended_from_outside_leaves_a_record(make_notebook, archive, tmp_path, number, verdict):
    """Also as a job in the background of a shell, which leaves SIGINT ignored."""
    reached = tmp_path / "reached"
    waits = f"open({str(reached)!r}, 'w').close()\nfrom threading import Event; Event().wait(3000)"
    notebook = make_notebook("print('until then')", waits, FINISH)
    command = [sys.executable, "-m", "pgnb", "run", str(notebook), "--records", str(archive.folder)]
    environment = os.environ | {"PGNB_NOTEBOOKS": str(tmp_path)}
    in_the_background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command, "--no-progress"]
    process = subprocess.Popen(in_the_background, stderr=subprocess.DEVNULL, env=environment)
    try:
        wait_until(
            "the notebook to begin", lambda: reached.exists() or process.poll() is not None, timeout=300
        )
        assert process.poll() is None
        process.send_signal(number)
        process.wait(60)
    finally:
        process.kill()
    assert [r.verdict for r in archive.all()] == [verdict]
    assert archive.verify() == []
    executed = nbformat.read(archive.path(archive.all()[0]) / "notebook.ipynb", as_version=4)
    assert ["until then\n"] in [[o.text for o in c.get("outputs", ()) if "text" in o] for c in executed.cells]


def test_a_signal_after_the_last_cell_waits_until_the_record_is_sealed(make_notebook, archive, monkeypatch):
    """Whoever deletes a pod does so at any time, also while the page is written."""
    put, heard = pages.put_summary, []

    def interrupted(*given):
        os.kill(os.getpid(), signal.SIGTERM)
        return put(*given)

    monkeypatch.setattr(pages, "put_summary", interrupted)
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(archive.all()[-1].verdict))
    try:
        runner.run(make_notebook(FINISH), {"rows": 2}, archive, progress=False)
        assert heard == [Verdict.PASSED]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert archive.verify() == []


def test_a_signal_in_the_midst_of_a_callback_ends_the_run_too(make_notebook, archive, monkeypatch):
    def papermill_in_a_callback(*_arguments):
        loop = asyncio.new_event_loop()
        loop.call_soon(lambda: [os.kill(os.getpid(), signal.SIGTERM) for _ in range(3)])
        loop.call_later(1, loop.stop)
        loop.run_forever()

    monkeypatch.setattr(runner, "_execute", papermill_in_a_callback)
    record = runner.run(make_notebook(FINISH), {}, archive, progress=False)
    assert record.verdict == Verdict.INTERRUPTED
