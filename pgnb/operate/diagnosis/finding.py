"""What a diagnosis says: findings, each with evidence, cause and the way to mend it, what was looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgnb.checks import Check, Checks
from pgnb.display import Cell, Table, Tone
from pgnb.journal import Journal
from pgnb.operate.diagnosis.kinds import AREAS, KINDS, Severity

_MARKS: dict[Severity, tuple[str, Tone]] = {
    "broken": ("✗ broken", "bad"),
    "danger": ("! in danger", "warn"),
    "advice": ("! advice", "warn"),
}
_ORDER: tuple[Severity, ...] = ("broken", "danger", "advice")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with `subject` (a pod, a server, a slot or a role).

    `kind` is one of `KINDS`; `cause` one sentence; `evidence` what was seen, one observation a line; `mend`
    the notebook's section or the command that mends it.
    """

    kind: str
    subject: str
    cause: str
    evidence: tuple[str, ...]
    mend: str

    @property
    def title(self) -> str:
        """The finding in a few words."""
        return KINDS[self.kind].title

    @property
    def area(self) -> str:
        """What of a server it concerns: pod, configuration, connection, …"""
        return KINDS[self.kind].area

    @property
    def severity(self) -> Severity:
        """`broken`: replication does not work; `danger`: it will soon not; `advice`: worth a look."""
        return KINDS[self.kind].severity

    @property
    def mark(self) -> Cell:
        """The severity as a table's cell."""
        return Cell(*_MARKS[self.severity])

    @property
    def table(self) -> Table:
        """Evidence, cause and remedy, one below the other."""
        rows = (
            ("severity", self.mark),
            ("evidence", "\n".join(self.evidence)),
            ("cause", self.cause),
            ("mended by", self.mend),
        )
        return Table.of(("about", self.subject), rows, title=f"{self.title[:1].upper()}{self.title[1:]}")

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def __str__(self) -> str:
        return str(self.table)

    __repr__ = __str__


@dataclass(frozen=True)
class Diagnosis:
    """The findings, the worst first, and the servers that were looked at."""

    findings: tuple[Finding, ...]
    servers: tuple[str, ...]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    @classmethod
    def of(cls, findings: Sequence[Finding], servers: Sequence[str]) -> Diagnosis:
        """The findings in the order in which they matter, each once."""
        unique = dict.fromkeys(findings)
        return cls(tuple(sorted(unique, key=lambda f: _ORDER.index(f.severity))), tuple(servers))

    def find(self, kind: str, subject: str = "") -> Finding | None:
        """The finding of that kind, of that subject where one is named."""
        return next((f for f in self if f.kind == kind and subject in ("", f.subject)), None)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that were found."""
        return frozenset(finding.kind for finding in self)

    @property
    def sentence(self) -> str:
        """The diagnosis in one line."""
        if not self.findings:
            return f"Nothing is wrong with {', '.join(self.servers) or 'what was looked at'}."
        worst, more = self.findings[0], len(self) - 1
        others = f" (and {more} more)" if more else ""
        return f"{worst.title}: {worst.subject}{others}"

    @property
    def map(self) -> Table:
        """What was looked at, area by area, and how each server fares there."""
        subjects = tuple(dict.fromkeys((*self.servers, *(f.subject for f in self))))
        rows = [(area, *(self._at(area, subject) for subject in subjects)) for area in AREAS]
        return Table.of(("looked at", *subjects), rows, title=f"Diagnosis: {self.sentence}")

    def _at(self, area: str, subject: str) -> Cell:
        here = [f for f in self if f.area == area and f.subject == subject]
        if here:
            return Cell("\n".join(f"{f.mark.text}: {f.title}" for f in here), here[0].mark.tone)
        return Cell("✓", "good") if subject in self.servers else Cell("", "dim")

    def checks(self, journal: Journal) -> Checks:
        """Each finding as a check that failed (advice stops nothing), or one check that nothing was found."""
        items = [
            Check(f"{f.title}: {f.subject}", False, f.cause, "not so", f.mend, advice=f.severity == "advice")
            for f in self
        ]
        none = Check("findings", True, "none", "none")
        return Checks.of("Diagnosis", items or [none], journal)

    def _repr_html_(self) -> str:
        cards = "<br>".join(finding._repr_html_() for finding in self)
        return f"{self.map._repr_html_()}<br>{cards}" if cards else self.map._repr_html_()

    def __str__(self) -> str:
        return "\n\n".join([str(self.map), *map(str, self.findings)])

    __repr__ = __str__
