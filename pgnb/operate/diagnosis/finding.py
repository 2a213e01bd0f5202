"""What a diagnosis says: findings, each with evidence, cause and the way to mend it, what was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgnb.checks import Check
from pgnb.display import Cell, Table, Tabled
from pgnb.findings import Findings, Severity, mark, with_others, worst_first
from pgnb.operate.diagnosis.kinds import AREAS, KINDS


@dataclass(frozen=True, repr=False)
class Finding(Tabled):
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
        return mark(self.severity)

    @property
    def check(self) -> Check:
        """The finding as a check that failed; advice stops nothing."""
        advice = self.severity == "advice"
        return Check(f"{self.title}: {self.subject}", False, self.cause, "not so", self.mend, advice=advice)

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


@dataclass(frozen=True, repr=False)
class Diagnosis(Findings[Finding]):
    """The findings, the worst first, and the servers that were looked at."""

    servers: tuple[str, ...]

    @classmethod
    def of(cls, findings: Sequence[Finding], servers: Sequence[str]) -> Diagnosis:
        """The findings in the order in which they matter, each once."""
        return cls(worst_first(findings), tuple(servers))

    def find(self, kind: str, subject: str = "") -> Finding | None:
        """The finding of that kind, of that subject where one is named."""
        return next((f for f in self if f.kind == kind and subject in ("", f.subject)), None)

    @property
    def sentence(self) -> str:
        """The diagnosis in one line."""
        if not self.findings:
            return f"Nothing is wrong with {', '.join(self.servers) or 'what was looked at'}."
        worst = self.findings[0]
        return with_others(f"{worst.title}: {worst.subject}", len(self))

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
