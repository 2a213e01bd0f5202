"""Checks: facts held against what was wished; a gate stops before a change, a verification after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field

from pgnb.display import Cell, Table, Tabled, Tone, spell
from pgnb.errors import GateClosed, PgnbError, VerificationFailed
from pgnb.journal import Journal


@dataclass(frozen=True)
class Check:
    """One fact held against a wish. An `advice` that fails is shown and stops nothing."""

    name: str
    ok: bool
    found: object
    wanted: object = ""
    remedy: str = ""
    advice: bool = False

    @property
    def stops(self) -> bool:
        """Whether this check, as it stands, must stop a run."""
        return not self.ok and not self.advice

    @property
    def verdict(self) -> Cell:
        """Passed, failed or advice, as a table's cell."""
        if self.ok:
            return Cell("✓ passed", "good")
        tone: Tone = "warn" if self.advice else "bad"
        return Cell("! advice" if self.advice else "✗ FAILED", tone)


@dataclass(frozen=True, repr=False)
class Checks(Tabled):
    """A table of checks, with the journal that keeps them."""

    title: str
    items: tuple[Check, ...]
    journal: Journal = field(default_factory=Journal, repr=False, compare=False)

    @classmethod
    def of(cls, title: str, items: Iterable[Check], journal: Journal) -> Checks:
        """Checks of anything that iterates."""
        return cls(title, tuple(items), journal)

    @property
    def ok(self) -> bool:
        """Whether nothing stops."""
        return not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that stop."""
        return tuple(item for item in self.items if item.stops)

    def __iter__(self) -> Iterator[Check]:
        return iter(self.items)

    def __add__(self, other: Checks) -> Checks:
        return Checks(self.title, self.items + other.items, self.journal)

    @property
    def table(self) -> Table:
        """Verdict, name, found, wanted and, where it did not pass, the remedy."""
        rows = [
            (item.verdict, item.name, spell(item.found), spell(item.wanted), "" if item.ok else item.remedy)
            for item in self.items
        ]
        return Table.of(("", "check", "found", "wanted", "what to do"), rows, title=self.title)


def verify(checks: Checks) -> Checks:
    """Hold what was found after a change against what was wished, and keep it for the record.

    Returns the checks, so that they are the cell's evidence. A plan-only run shows what is not there yet
    and goes on. Raises VerificationFailed, with each failed check and its remedy.
    """
    _keep("verify", checks)
    if checks.failed and not checks.journal.dry_run:
        raise _stopped(VerificationFailed, f"{checks.title}: not as wished", checks)
    return checks


def gate(checks: Checks) -> Checks:
    """Stop here, before anything is changed, unless every check passes.

    Returns the checks. A plan-only run shows where it would have stopped and goes on. Raises GateClosed.
    """
    _keep("gate", checks)
    if checks.failed and not checks.journal.dry_run:
        raise _stopped(GateClosed, f"{checks.title}: stopped before anything was changed", checks)
    return checks


def _keep(stage: str, checks: Checks) -> None:
    items = [{key: _plain(value) for key, value in asdict(item).items()} for item in checks.items]
    checks.journal.checks(stage, checks.title, items)


def _plain(value: object) -> object:
    return value if isinstance(value, bool) else spell(value)


def _stopped(kind: type[PgnbError], message: str, checks: Checks) -> PgnbError:
    found = "; ".join(f"{c.name}: {spell(c.found)} (wanted {spell(c.wanted)})" for c in checks.failed)
    remedy = " ".join(dict.fromkeys(c.remedy for c in checks.failed if c.remedy))
    return kind(message, found=found, remedy=remedy)
