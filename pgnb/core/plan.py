"""A change: it shows a plan, requires confirmations, applies itself and can be undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from pgnb.core.checks import Check, Checks, changed_by
from pgnb.core.checks import gate as gate_checks
from pgnb.core.display import Displayable, Table, diff_html, diff_text, format_duration
from pgnb.core.errors import GateClosed
from pgnb.core.journal import Journal

_LONG_DIFF = 30
"""Lines of a diff that a page folds."""


class Executes(Protocol):
    """A server that carries out one statement, and journals it."""

    @property
    def name(self) -> str:
        """The server's name, as the journal says it."""

    def execute(self, statement: Any, params: Any = None, *, database: str | None, what: str) -> object:
        """Carry out a statement in a database; `what` is journalled (empty: the statement)."""


@dataclass(frozen=True)
class Step:
    """One act of a change: `what` is shown and journalled, `run` does it and returns the result."""

    target: str
    what: str
    run: Callable[[], str] = field(repr=False)
    journalled: bool = False
    """True if `run` writes to the journal itself, statement by statement."""

    @classmethod
    def sql(
        cls, server: Executes, what: str, statement: Any, *, database: str | None = None, result: str = "done"
    ) -> Step:
        """Return a step of one statement, which the server journals; `result` is shown after it."""

        def run() -> str:
            server.execute(statement, database=database, what="")
            return result

        return cls(server.name, what, run, journalled=True)


@dataclass(frozen=True)
class Confirmation:
    """A confirmation that a dangerous change requires: `parameter` must equal `value`."""

    parameter: str
    value: object
    why: str


@dataclass(frozen=True, repr=False)
class Applied(Displayable):
    """The result of a change; `seconds` is how long it took, `undo` plans the inverse if there is one."""

    title: str
    outcome: str
    changed: bool
    seconds: float = 0.0
    results: tuple[tuple[str, str], ...] = ()
    undo: Callable[[], Change] | None = field(default=None, repr=False)

    @property
    def table(self) -> Table:
        """The outcome, then each step with its result."""
        facts = (("outcome", self.outcome), ("took", format_duration(self.seconds)))
        return Table.of((self.title, ""), (*facts, *self.results))


@dataclass
class Change:
    """A plan: the current state, the desired state, and the steps between.

    `before` and `after` are texts whose difference is shown as the plan. Without steps there is nothing to
    do. `precheck` reads, immediately before the first step, the facts that make the change safe. `undo`
    returns, after the change, the plan that undoes it; `undo_text` describes it beforehand.
    """

    title: str
    journal: Journal = field(repr=False)
    before: str = ""
    after: str = ""
    steps: Sequence[Step] = ()
    note: str = ""
    undo_text: str = ""
    confirmations: Sequence[Confirmation] = ()
    precheck: Callable[[], Checks] | None = field(default=None, repr=False)
    undo: Callable[[], Change] | None = field(default=None, repr=False)
    granted: set[str] = field(default_factory=set, repr=False)

    @classmethod
    def combine(cls, title: str, journal: Journal, plans: Sequence[Change], *, note: str = "") -> Change:
        """Return one change that carries out several in their order, and is undone in the reverse order.

        The prechecks of all are read before the first step. The note is that of the plans, or `note`.
        """
        real = [plan for plan in plans if plan]
        undone = [plan for plan in reversed(real) if plan.undo is not None]
        return cls(
            title,
            journal,
            "".join(plan.before for plan in real),
            "".join(plan.after for plan in real),
            [step for plan in real for step in plan.steps],
            note=" ".join(dict.fromkeys(plan.note for plan in plans if plan.note)) or note,
            undo_text="; ".join(plan.undo_text for plan in reversed(real) if plan.undo_text),
            confirmations=[one for plan in real for one in plan.confirmations],
            precheck=(lambda: _prechecked(title, journal, real)) if any(p.precheck for p in real) else None,
            undo=(lambda: cls.combine(f"undo: {title}", journal, [p.undo() for p in undone if p.undo]))
            if undone
            else None,
        )

    def __bool__(self) -> bool:
        """Return whether there is anything to change."""
        return bool(self.steps)

    @property
    def diff(self) -> str:
        """The plan as a unified diff."""
        return diff_text(self.before, self.after, self.title)

    def grant(self, **parameters: object) -> Checks:
        """Accept the operator's confirmations, by parameter name; the checks say which are missing.

        A confirmation that this change does not require is ignored: a cell passes all that it may need.
        """
        met = {c.parameter for c in self.confirmations if parameters.get(c.parameter) == c.value}
        self.granted |= met
        items = [
            Check(
                f"confirmed by {c.parameter}",
                c.parameter in self.granted,
                parameters.get(c.parameter),
                c.value,
                f"{c.why} To allow it, set the parameter {c.parameter} = {c.value!r}.",
            )
            for c in (self.confirmations if self else ())
        ]
        return Checks.of(self.title, items, self.journal)

    def apply(self) -> Applied:
        """Run the steps, each journalled; in a plan-only run, return what would be done.

        Raises GateClosed if a confirmation or a fact that makes the change safe is missing; then no step was
        begun. An error of a step is raised after the journal has it.
        """
        if not self.steps:
            why = f": {self.note}" if self.note else ""
            return Applied(self.title, f"nothing to change{why}", False)
        if self.journal.dry_run:
            self.journal.plan(self.title, self._content())
            planned = tuple((step.target, step.what) for step in self.steps)
            return Applied(self.title, "plan only: nothing was changed", False, 0.0, planned)
        self._assert_safe()
        started, begun = monotonic(), len(self.journal.begun)
        try:
            results = tuple((step.what, self._carry_out(step)) for step in self.steps)
        finally:
            self.journal.applied(self.title, self.undo_text, since=begun)
        return Applied(self.title, "changed", True, monotonic() - started, results, self.undo)

    def _content(self) -> dict[str, object]:
        """What a plan record keeps of this change, and what is signed when it is approved."""
        return {
            "steps": [[step.target, step.what] for step in self.steps],
            "diff": self.diff,
            "confirmations": [[c.parameter, str(c.value), c.why] for c in self.confirmations],
            "undo": self.undo_text,
        }

    def _assert_safe(self) -> None:
        missing = [c for c in self.confirmations if c.parameter not in self.granted]
        if missing:
            raise GateClosed(
                f"{self.title}: not confirmed",
                found=f"no confirmation by {', '.join(c.parameter for c in missing)}",
                remedy="\n".join(f"{c.why} Set {c.parameter} = {c.value!r}." for c in missing),
                changed=changed_by(self.journal),
            )
        if self.precheck is not None:
            gate_checks(self.precheck())

    def _carry_out(self, step: Step) -> str:
        if step.journalled:
            return step.run()
        with self.journal.act(step.target, step.what) as act:
            act.result = step.run()
        return act.result

    @property
    def table(self) -> Table:
        """The steps, one a line."""
        rows = [(step.target, step.what) for step in self.steps]
        note = self.note or ("" if rows else "Nothing to change: this is the current state.")
        if rows and self.undo_text:
            note = f"{note}\nUndo: {self.undo_text}".strip()
        columns = ("target", "would do") if rows else ()
        return Table.of(columns, rows, title=f"Plan: {self.title}", note=note)

    def _repr_html_(self) -> str:
        return self.table._repr_html_() + (self._diff_html() if self.steps else "")

    def _diff_html(self) -> str:
        """The diff, which a page folds where it is long."""
        lines, shown = len(self.diff.splitlines()), diff_html(self.diff)
        if lines <= _LONG_DIFF:
            return shown
        return f'<details open class="pgnb-long"><summary>diff, {lines} lines</summary>{shown}</details>'

    def __str__(self) -> str:
        return f"{self.table}\n{self.diff}".rstrip() if self.steps else str(self.table)

    __repr__ = __str__


def _prechecked(title: str, journal: Journal, plans: Sequence[Change]) -> Checks:
    found = [plan.precheck() for plan in plans if plan.precheck is not None]
    return Checks.of(title, [check for checks in found for check in checks], journal)


def gate(subject: Change | Checks, **confirmations: object) -> Checks:
    """Stop before the next change, unless the checks pass and each confirmation is given by name.

    `gate(checks)` or `gate(change, allow_restart=allow_restart)`. Returns the checks as evidence. Raises
    GateClosed with what is missing, how to allow it, and what this run has changed before; a plan-only run
    records where it would stop and continues.
    """
    if isinstance(subject, Change):
        return gate_checks(subject.grant(**confirmations), depends=False)
    return gate_checks(subject)
