"""Running a notebook with papermill, into a record."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook

from pgnb.journal import PATH_VARIABLE
from pgnb.runbook import pages, verdict
from pgnb.runbook.records import Archive, Record, concluded
from pgnb.runbook.verdict import Verdict

START_TIMEOUT = 120
"""Seconds that a kernel may take to start."""


_DEATHS = {"DeadKernelError": Verdict.KILLED, "CellTimeoutError": Verdict.TIMEOUT}
"""Ways in which a kernel ends without a cell's exception, by the name of nbclient's error."""


class _Ended(KeyboardInterrupt):
    """A signal or the deadline ended the run. Only a KeyboardInterrupt gets through asyncio from everywhere.

    Another BaseException that comes while a callback runs is logged there, and the run goes on.
    """

    def __init__(self, verdict_: Verdict) -> None:
        super().__init__(verdict_)
        self.verdict = verdict_


def run(
    notebook: Path,
    parameters: Mapping[str, Any],
    archive: Archive,
    *,
    timeout: float | None = None,
    progress: bool = True,
) -> Record:
    """Run one notebook and archive it; `timeout` is for the whole of it, in seconds.

    `parameters` must be valid (params.validate). Returns the sealed record, whatever became of the run.
    Raises RecordError when no record can be kept: then nothing ran.
    """
    record = archive.open(notebook, parameters)
    folder = archive.path(record)
    error, stopped_by = "", None
    try:
        with _journal(folder / "journal.jsonl"), _ending_by_signal(timeout):
            _execute(notebook, folder / "notebook.ipynb", parameters, progress)
    except _Ended as ended:
        stopped_by = ended.verdict
    except KeyboardInterrupt:
        stopped_by = Verdict.INTERRUPTED
    except PapermillExecutionError as failure:
        error = failure.ename
        (folder / "error.txt").write_text(f"{failure.ename}: {failure.evalue}\n", "utf-8")
    except Exception as failure:
        error, stopped_by = type(failure).__name__, _DEATHS.get(type(failure).__name__)
        (folder / "error.txt").write_text(f"{error}: {failure}\n", "utf-8")
    return _conclude(archive, record, error, stopped_by)


def _execute(notebook: Path, output: Path, parameters: Mapping[str, Any], progress: bool) -> None:
    logging.getLogger("papermill").setLevel(logging.ERROR)
    execute_notebook(
        str(notebook),
        str(output),
        parameters=dict(parameters),
        kernel_name="python3",
        language="python",
        progress_bar={"desc": notebook.stem} if progress else False,
        start_timeout=START_TIMEOUT,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
    )


def _conclude(archive: Archive, record: Record, error: str, stopped_by: Verdict | None) -> Record:
    folder = archive.path(record)
    evidence = verdict.read(folder / "journal.jsonl")
    judged = verdict.judge(evidence, error=error, stopped_by=stopped_by)
    plots = pages.write(folder) if (folder / "notebook.ipynb").exists() else ()
    said = (folder / "error.txt").read_text("utf-8").strip() if (folder / "error.txt").exists() else ""
    sealed = archive.seal(concluded(record, evidence, judged, error=said, plots=plots))
    pages.write_index(archive)
    return sealed


@contextmanager
def _journal(path: Path) -> Iterator[None]:
    """The kernel inherits the environment of this process; that is the only way to hand it the path."""
    before = os.environ.get(PATH_VARIABLE)
    os.environ[PATH_VARIABLE] = str(path.resolve())
    try:
        yield
    finally:
        if before is None:
            del os.environ[PATH_VARIABLE]
        else:
            os.environ[PATH_VARIABLE] = before


@contextmanager
def _ending_by_signal(timeout: float | None) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and the deadline into an end with a verdict (in the main thread only)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    meanings = {
        signal.SIGINT: Verdict.INTERRUPTED,
        signal.SIGTERM: Verdict.INTERRUPTED,
        signal.SIGALRM: Verdict.TIMEOUT,
    }

    def end(number: int, _frame: FrameType | None) -> None:
        raise _Ended(meanings[signal.Signals(number)])

    before = {number: signal.signal(number, end) for number in meanings}
    signal.setitimer(signal.ITIMER_REAL, timeout or 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
