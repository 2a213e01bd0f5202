"""Running a notebook, into a record."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from pgnb.core.journal import APPROVAL_NAMESPACES, APPROVED
from pgnb.core.private import write_private
from pgnb.core.translation import VARIABLE as LANGUAGE
from pgnb.runbook import pages
from pgnb.runbook.approval import ApprovedPlan
from pgnb.runbook.conclusion import conclude
from pgnb.runbook.kernels import Kernels
from pgnb.runbook.records import Archive, Record
from pgnb.runbook.verdict import Verdict

_DEATHS = {"DeadKernelError": Verdict.KILLED, "CellTimeoutError": Verdict.TIMEOUT}
"""Ways in which a kernel ends without a cell's exception, by the name of nbclient's error."""


class _Ended(KeyboardInterrupt):
    """A signal or the deadline ended the run. Only a KeyboardInterrupt gets through asyncio from everywhere.

    Another BaseException that comes while a callback runs is logged there, and the run goes on.
    """

    def __init__(self, verdict_: Verdict) -> None:
        super().__init__(verdict_)
        self.verdict = verdict_


@dataclass(frozen=True)
class Terms:
    """On what terms a run is made: the approved plan that it carries out, and the file's own settings.

    `namespaces` are patterns of those where nothing is changed without an approved plan, `language` is that
    of checks and gates.
    """

    approved: ApprovedPlan | None = None
    namespaces: tuple[str, ...] = ()
    language: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """What the kernel is told of it, by its environment."""
        told = {APPROVAL_NAMESPACES: json.dumps(self.namespaces)}
        if self.language:
            told[LANGUAGE] = self.language
        if self.approved is not None:
            told[APPROVED] = f"{self.approved.approval.request.record} {self.approved.plan.digest}"
        return told


def run(
    notebook: Path,
    parameters: Mapping[str, Any],
    archive: Archive,
    *,
    timeout: float | None = None,
    progress: bool = True,
    kernels: Kernels | None = None,
    following: Path | None = None,
    terms: Terms | None = None,
) -> Record:
    """Run one notebook and archive it; `timeout` is for the whole of it, in seconds.

    `parameters` must be valid (params.validate). With `kernels`, a kernel for the `following` notebook starts
    while this one runs. Returns the sealed record, whatever became of the run. Raises RecordError when no
    record can be kept: then nothing ran.
    """
    record = archive.open(notebook, parameters)
    terms = terms or Terms()
    approved = terms.approved
    if approved is not None:
        record = replace(record, approval=approved.approval.facts)
        approved.keep_in(archive, record)
    folder = archive.path(record)
    error, stopped_by, page = "", None, pages.Writer(folder)
    chain = Kernels() if kernels is None else nullcontext(kernels)
    try:
        with _ending_by_signal(timeout), chain as started:
            error = _execute(
                notebook, folder, parameters, started, page, progress, following, terms.variables
            )
    except _Ended as ended:
        stopped_by = ended.verdict
    except KeyboardInterrupt:
        stopped_by = Verdict.INTERRUPTED
    except Exception as failure:
        error, stopped_by = type(failure).__name__, _DEATHS.get(type(failure).__name__)
        write_private(folder / "error.txt", f"{error}: {failure}\n")
    with _undisturbed():
        return conclude(archive, record, error, page.plots, stopped_by=stopped_by, approved=approved)


def _execute(
    notebook: Path,
    folder: Path,
    parameters: Mapping[str, Any],
    kernels: Kernels,
    page: pages.Writer,
    progress: bool,
    following: Path | None,
    variables: Mapping[str, str],
) -> str:
    """Carry the notebook out; the name of the exception that ended a cell, or nothing.

    What takes time goes on at once: this process loads papermill while the kernel starts, loads nbconvert
    while the cells run, and writes the page while the kernel ends.
    """

    def begun(**_hook: Any) -> None:
        if following is not None:
            kernels.prepare(following)

    journal = folder / "journal.jsonl"
    with kernels.one(notebook, journal) as kernel:
        from pgnb.runbook.execution import execute

        page.prepare()
        try:
            kernel.hand_over(journal, variables)
            failure = execute(
                notebook, folder / "notebook.ipynb", parameters, kernel, progress=progress, begun=begun
            )
        finally:
            page.begin()
    if failure is None:
        return ""
    write_private(folder / "error.txt", f"{failure.name}: {failure.text}\n")
    return failure.name


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the record is sealed (in the main thread only)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda one, _frame: came.append(one))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for one in came:
        signal.raise_signal(one)


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
