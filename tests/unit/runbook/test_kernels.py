"""Kernels that are started ahead: each is one run's alone, and none is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgnb.core.wait import wait_until
from pgnb.runbook import runner
from pgnb.runbook.kernels import Kernels
from pgnb.runbook.records import Archive

KEEP_PID = "import os\nopen('{path}', 'w').write(str(os.getpid()))"
AT_ITS_END = "import atexit, pathlib\natexit.register(pathlib.Path({path!r}).touch)"
FINISH = "finish(run)"


@pytest.fixture
def kernels() -> Iterator[Kernels]:
    with Kernels() as chain:
        yield chain


def children(parent: int) -> list[int]:
    """The kernels that this process started and that live."""
    found = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in found if alive(pid) and is_kernel(pid) and stat(pid)[1] == str(parent)]


def is_kernel(pid: int) -> bool:
    try:
        return b"ipykernel" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended and that nobody has waited for yet does not."""
    return stat(pid)[0] not in ("", "Z")


def stat(pid: int) -> list[str]:
    """State and parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return ["", ""]


def test_the_kernel_of_the_next_run_is_there_before_it_and_has_the_journal_of_its_own_run(
    make_notebook, tmp_path, kernels
):
    archive = Archive(tmp_path / "records")
    act = "with journal.act('db', '{0}'):\n    pass"
    ended = AT_ITS_END.format(path=str(tmp_path / "ended"))
    first = make_notebook(act.format("one"), ended, FINISH, name="01_first")
    second = make_notebook(
        KEEP_PID.format(path=tmp_path / "pid"), act.format("two"), FINISH, name="02_second"
    )
    one = runner.run(first, {}, archive, progress=False, kernels=kernels, following=second)
    waiting = wait_until("the second's", lambda: children(os.getpid()), timeout=60)
    assert len(waiting) == 1, "the first run's kernel has ended"
    assert (tmp_path / "ended").exists(), "and has done what was registered for its end"
    two = runner.run(second, {}, archive, progress=False, kernels=kernels)
    assert (one.verdict, two.verdict) == ("passed", "passed")
    assert (one.changes, two.changes) == (1, 1), "each act stands in the journal of its own run"
    assert [int((tmp_path / "pid").read_text())] == waiting
    assert children(os.getpid()) == []
    assert archive.verify() == []


def test_a_kernel_that_died_while_it_waited_is_replaced(make_notebook, tmp_path, kernels):
    archive = Archive(tmp_path / "records")
    notebook = make_notebook(FINISH)
    runner.run(notebook, {}, archive, progress=False, kernels=kernels, following=notebook)
    [waiting] = children(os.getpid())
    os.kill(waiting, signal.SIGKILL)
    wait_until("its end", lambda: not alive(waiting), timeout=60)
    record = runner.run(notebook, {}, archive, progress=False, kernels=kernels)
    assert record.verdict == "passed", record.error


def test_a_kernel_that_nobody_took_ends_with_the_chain(make_notebook):
    with Kernels() as kernels:
        kernels.prepare(make_notebook(FINISH))
    assert children(os.getpid()) == []


def test_a_killed_run_leaves_no_kernel(make_notebook, tmp_path):
    """Neither the one that works nor the one that waits."""
    waits = make_notebook("from threading import Event; Event().wait(600)", FINISH)
    command = [sys.executable, "-m", "pgnb", "run", str(waits), str(waits), "--no-progress"]
    process = subprocess.Popen([*command, "--records", str(tmp_path / "records")], stderr=subprocess.DEVNULL)
    found: list[int] = wait_until(
        "both kernels", lambda: children(process.pid), lambda pids: len(pids) == 2, timeout=300
    )
    process.kill()
    process.wait(60)
    wait_until("their end", lambda: not any(alive(pid) for pid in found), timeout=120)


def test_optional_checkers_of_formats_are_not_loaded():
    """One of them compiles a grammar for seconds, and the notebook format has no use for it."""
    code = (
        "import pgnb.runbook.execution, sys, importlib.util\n"
        "assert 'jsonschema' in sys.modules and not {'rfc3987_syntax', 'fqdn'} & sys.modules.keys()\n"
        "assert importlib.util.find_spec('rfc3987_syntax'), 'and others can load them'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
