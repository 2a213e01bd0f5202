"""The last cell of every notebook: what was checked, what changed, and that the end was reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pgnb.display import Cell, Table
from pgnb.journal import Journal


class Run(Protocol):
    """What has a journal: the cluster that a notebook connected to."""

    @property
    def journal(self) -> Journal: ...


@dataclass(frozen=True)
class Evidence:
    """A run's checks and its journal, for the reader and the archive."""

    checks: Table
    journal: Table

    def _repr_html_(self) -> str:
        return f"{self.checks._repr_html_()}<br>{self.journal._repr_html_()}"

    def __str__(self) -> str:
        return f"{self.checks}\n\n{self.journal}"

    __repr__ = __str__


def finish(run: Run) -> Evidence:
    """Say that the notebook reached its end, and show what it rests on.

    Without this call a run is never green: the runner takes it as the sign that no cell was left out.
    """
    journal = run.journal
    journal.finished()
    rows = [(stage, title, _count(passed, total)) for stage, title, passed, total in journal.checked]
    mode = "plan only: nothing was changed" if journal.dry_run else "applied"
    return Evidence(Table.of(("", "checks", "passed"), rows, title=f"Evidence ({mode})"), journal.table)


def _count(passed: int, total: int) -> Cell:
    return Cell(f"{passed} of {total}", "good" if passed == total else "warn")
