"""The last cell of every notebook: what was checked, what changed, and whether the end was reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pgnb.core.checks import changed_by
from pgnb.core.display import Cell, Table
from pgnb.core.errors import VerificationFailed
from pgnb.core.journal import Checked, Journal


class Run(Protocol):
    """An object with a journal: the cluster that a notebook connected to."""

    @property
    def journal(self) -> Journal: ...


@dataclass(frozen=True)
class Evidence:
    """The checks and the journal of a run, for the reader and the archive."""

    checks: Table
    journal: Table

    def _repr_html_(self) -> str:
        return f"{self.checks._repr_html_()}<br>{self.journal._repr_html_()}"

    def __str__(self) -> str:
        return f"{self.checks}\n\n{self.journal}"

    __repr__ = __str__


def finish(run: Run) -> Evidence:
    """Record that the notebook reached its end, and show the evidence.

    Without this call a run never passes: the runner takes it as the sign that no cell was skipped. Raises
    VerificationFailed if a check that is judged at the end failed.
    """
    journal = run.journal
    journal.finished()
    rows = [(_STAGES[one.stage], one.title, _count(one)) for one in journal.checked]
    shown = Evidence(
        Table.of(("", "checks", "passed"), rows, title=_title(journal), note=_plan_note(journal)),
        journal.table,
    )
    failed = [one for one in journal.checked if one.stage == "end" and one.failed]
    if failed:
        _display(shown)
        raise VerificationFailed(
            "the run reached its end, but checks that are judged at the end failed",
            found="; ".join(f"{one.title}: {', '.join(one.failed)}" for one in failed),
            remedy="See their tables above for what was found and what to do.",
            changed=changed_by(journal),
        )
    return shown


_STAGES = {"gate": "gate", "verify": "verify", "end": "judged at the end"}


def _title(journal: Journal) -> str:
    if journal.dry_run:
        return "Evidence (plan only: nothing was changed)"
    return (
        f"Evidence ({len(journal.changes)} changes)" if journal.changes else "Evidence (nothing was changed)"
    )


def _plan_note(journal: Journal) -> str:
    """Return where an applied run would stop, as far as a plan can tell."""
    if not journal.dry_run:
        return ""
    gates = [one for one in journal.checked if one.stage == "gate" and one.failed]
    stops = [f"{one.title} ({', '.join(one.failed)})" for one in gates if not one.depends_on]
    open_ = [one.title for one in journal.checked if one.depends_on]
    lines = [
        f"Would stop at: {'; '.join(stops)}." if stops else "No gate would stop, as far as a plan can tell."
    ]
    if open_:
        lines.append(f"Not judged, because it depends on changes that were only planned: {', '.join(open_)}.")
    return "\n".join(lines)


def _count(one: Checked) -> Cell:
    facts = f"{one.informed} facts" if one.informed else ""
    if not one.total:
        return Cell(facts or "no check was made", "dim")
    text = f"{one.passed} of {one.total}" + (f", {facts}" if facts else "")
    return Cell(text, "good" if one.passed == one.total else "bad" if one.failed else "warn")


def _display(shown: Evidence) -> None:
    """Show the evidence although the cell ends with an error; print it outside a notebook."""
    from IPython.display import display

    display(shown)
