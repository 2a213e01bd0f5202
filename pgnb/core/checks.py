"""Compare facts with what is wanted: a gate stops before a change, a verification after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from html import escape

from pgnb.core.display import Cell, Displayable, Table, Tone, format_value
from pgnb.core.errors import GateClosed, PgnbError, VerificationFailed
from pgnb.core.journal import Journal, Stage
from pgnb.core.translation import translated

_COLUMNS = ("", "check", "found", "wanted", "what to do")
_SHOWN = 12
"""Number of changes that an error lists; the journal has all."""


@dataclass(frozen=True)
class Check:
    """One fact compared with what is wanted. A failed `advice` is shown and stops nothing.

    An item that only `informs` requires nothing: it is shown, and counted neither as passed nor as failed.
    """

    name: str
    ok: bool
    found: object
    wanted: object = ""
    remedy: str = ""
    advice: bool = False
    informs: bool = False

    @classmethod
    def fact(cls, name: str, found: object) -> Check:
        """Return an item that only shows what was found."""
        return cls(name, True, found, informs=True)

    @property
    def stops(self) -> bool:
        """Whether this check, as it stands, must stop a run."""
        return not self.ok and not self.advice

    @property
    def verdict(self) -> Cell:
        """The result as a table's cell: passed, failed, advice or fact."""
        if self.informs:
            return Cell("· fact", "dim")
        if self.ok:
            return Cell("✓ passed", "good")
        tone: Tone = "warn" if self.advice else "bad"
        return Cell("! advice" if self.advice else "✗ FAILED", tone)


@dataclass(frozen=True, repr=False)
class Checks(Displayable):
    """A table of checks, with the journal that keeps them.

    `observed`: the checks are about what exists now, not about the effect of a planned change. So a plan-only
    run judges them, too, after planned changes.
    """

    title: str
    items: tuple[Check, ...]
    journal: Journal = field(default_factory=Journal, repr=False, compare=False)
    observed: bool = False

    @classmethod
    def of(cls, title: str, items: Iterable[Check], journal: Journal, *, observed: bool = False) -> Checks:
        """Return the checks of any iterable."""
        return cls(title, tuple(items), journal, observed)

    @property
    def ok(self) -> bool:
        """Whether no check stops the run."""
        return not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that stop the run."""
        return tuple(item for item in self.items if item.stops)

    def __iter__(self) -> Iterator[Check]:
        return iter(self.items)

    def __add__(self, other: Checks) -> Checks:
        return Checks(self.title, self.items + other.items, self.journal, self.observed and other.observed)

    def _repr_html_(self) -> str:
        """The table, which a page folds where all passed; one with a failed check stands open."""
        table = self.table._repr_html_()
        if not self.items or not all(item.ok for item in self.items):
            return table
        held = sum(not item.informs for item in self.items)
        title = escape(translated(self.title))
        words = f"✓ {title} ({held})" if held else title
        return f'<details open class="pgnb-passed"><summary>{words}</summary>{table}</details>'

    @property
    def table(self) -> Table:
        """Verdict, name, found, wanted and, where it did not pass, the remedy."""
        rows = [
            (
                Cell(translated(item.verdict.text), item.verdict.tone),
                _in_both(item.name),
                format_value(item.found),
                format_value(item.wanted),
                "" if item.ok else translated(item.remedy),
            )
            for item in self.items
        ]
        columns = [translated(one) for one in _COLUMNS] if rows else ()
        note = "" if rows else translated("Nothing is checked here.")
        return Table.of(columns, rows, title=_in_both(self.title), note=note)


def _in_both(text: str) -> str:
    """Return a text in the reader's language, and below it in English, in which records are searched."""
    own = translated(text)
    return text if own == text else f"{own}\n{text}"


def verify(checks: Checks) -> Checks:
    """Compare what was found after a change with what is wanted, and keep it for the record.

    Returns the checks, so that they are the cell's evidence. A plan-only run fails here as well, unless it
    has planned a change before: then what is missing may be that change's effect, and is not judged. Raises
    VerificationFailed with each failed check and its remedy.
    """
    journal = checks.journal
    missing = [] if checks.observed or not checks.failed else journal.planned
    _keep("verify", checks, missing)
    if checks.failed and not missing:
        raise _stopped(VerificationFailed, f"{checks.title}: not as wanted", checks)
    return checks


def judge_at_end(checks: Checks) -> Checks:
    """Keep checks whose failure must not stop the steps that follow, such as those of a measurement.

    Returns the checks. `pgnb.finish` ends the run as failed if one of them failed.
    """
    _keep("end", checks)
    return checks


def gate(checks: Checks, *, depends: bool = True) -> Checks:
    """Stop here, before the next change, unless every check passes.

    Returns the checks. A plan-only run records where it would have stopped, and continues; with `depends`, a
    check that fails after a planned change is not judged, since it may need that change. Raises GateClosed,
    which says what this run has changed before and how to undo it.
    """
    journal = checks.journal
    _keep("gate", checks, journal.planned if depends and checks.failed and not checks.observed else ())
    if checks.failed and not journal.dry_run:
        count = len(journal.changes)
        when = (
            f"stopped after {count} changes of this run" if count else "stopped before anything was changed"
        )
        raise _stopped(GateClosed, f"{checks.title}: {when}", checks)
    return checks


def _keep(stage: Stage, checks: Checks, depends_on: Sequence[str] = ()) -> None:
    items = [{key: _plain(value) for key, value in asdict(item).items()} for item in checks.items]
    checks.journal.checks(stage, checks.title, items, depends_on=depends_on)


def _plain(value: object) -> object:
    return value if isinstance(value, bool) else format_value(value)


def _stopped(kind: type[PgnbError], message: str, checks: Checks) -> PgnbError:
    found = "; ".join(
        f"{c.name}: {format_value(c.found)} (wanted {format_value(c.wanted)})" for c in checks.failed
    )
    return kind(message, found=found, remedy=remedies(checks.failed), changed=changed_by(checks.journal))


def remedies(failed: Sequence[Check]) -> str:
    """Return the remedies of the checks, one a line, with the check's name if there are several."""
    with_one = [c for c in failed if c.remedy]
    if len(failed) < 2:
        return "".join(c.remedy for c in with_one)
    return "\n".join(f"{c.name}: {c.remedy}" for c in with_one)


def changed_by(journal: Journal) -> str:
    """Return what a run has changed, one act a line, and how to undo it; "" if nothing."""
    changes = list(journal.changes)
    lines = changes[-_SHOWN:]
    if len(changes) > len(lines):
        lines.insert(0, f"({len(changes) - len(lines)} earlier changes: see the journal)")
    if changes:
        lines += [f"to undo {title}: {undo}" for title, undo in journal.undo if undo]
    return "\n".join(lines)
