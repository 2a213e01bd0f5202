"""What every diagnosis shares: how bad a finding is, and findings with the worst first, below their map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

from pgnb.checks import Check, Checks
from pgnb.display import Cell, Table, Tone
from pgnb.journal import Journal

Severity = Literal["broken", "danger", "advice"]
"""`broken`: replication does not work; `danger`: it soon will not; `advice`: worth a look."""

_MARKS: Mapping[Severity, tuple[str, Tone]] = {
    "broken": ("✗ broken", "bad"),
    "danger": ("! in danger", "warn"),
    "advice": ("! advice", "warn"),
}
_ORDER: tuple[Severity, ...] = ("broken", "danger", "advice")


class AnyFinding(Protocol):
    """What findings of either kind of replication have in common."""

    @property
    def kind(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def check(self) -> Check: ...
    def _repr_html_(self) -> str: ...


F = TypeVar("F", bound=AnyFinding)


def mark(severity: Severity) -> Cell:
    """The severity as a table's cell."""
    return Cell(*_MARKS[severity])


def worst_first(findings: Iterable[F]) -> tuple[F, ...]:
    """The findings in the order in which they matter, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: _ORDER.index(finding.severity)))


@dataclass(frozen=True, repr=False)
class Findings(Generic[F]):
    """A diagnosis: its findings, the worst first. A map of what was looked at stands above them."""

    title: ClassVar[str] = "Diagnosis"
    findings: tuple[F, ...]

    def __iter__(self) -> Iterator[F]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that were found."""
        return frozenset(finding.kind for finding in self)

    @property
    def map(self) -> Table:
        """What was looked at, and how it fares."""
        raise NotImplementedError

    def checks(self, journal: Journal) -> Checks:
        """Each finding as a check that failed (advice stops nothing), or one check that nothing was found."""
        items = [finding.check for finding in self] or [Check("findings", True, "none", "none")]
        return Checks.of(self.title, items, journal)

    def _repr_html_(self) -> str:
        return "<br>".join([self.map._repr_html_(), *(finding._repr_html_() for finding in self)])

    def __str__(self) -> str:
        return "\n\n".join([str(self.map), *map(str, self.findings)])

    def __repr__(self) -> str:
        return str(self)


def with_others(first: str, count: int) -> str:
    """The worst of `count` findings in a sentence, and how many more there are."""
    return f"{first} (and {count - 1} more)" if count > 1 else first
