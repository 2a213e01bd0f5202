"""What a diagnosis of logical replication says: findings with evidence, cause and the way to mend them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pgnb.checks import Check, Checks
from pgnb.display import Cell, Table, Tone, card
from pgnb.journal import Journal

Severity = Literal["broken", "danger", "advice"]
KINDS: Mapping[str, tuple[str, Severity]] = {
    "no-database": ("the subscriber has no such database", "broken"),
    "no-subscription": ("no subscription", "broken"),
    "no-publication": ("no publication", "broken"),
    "disabled": ("the subscription is disabled", "broken"),
    "lost-slot": ("the slot is lost", "broken"),
    "slot-at-risk": ("the slot is about to be lost", "danger"),
    "conflict": ("a conflict stops the apply", "broken"),
    "missing-table": ("a table is missing on the subscriber", "broken"),
    "refused-row": ("the subscriber's table refuses a row", "broken"),
    "no-replica-identity": ("a table has no replica identity", "broken"),
    "apply-fails": ("the apply fails", "broken"),
    "stalled-sync": ("the initial copy of a table fails again and again", "broken"),
    "too-few-workers": ("too few workers on the subscriber", "broken"),
    "dead-connection": ("the connection to the publisher is dead", "broken"),
    "no-worker": ("no apply worker runs", "broken"),
    "not-refreshed": ("the subscription does not know a published table", "broken"),
    "schema-differs": ("the schemas differ", "danger"),
    "missing-rows": ("rows to change were not there", "danger"),
    "log-not-read": ("the subscriber's log could not be read", "advice"),
}
_MARKS: Mapping[Severity, tuple[str, Tone]] = {
    "broken": ("✗ broken", "bad"),
    "danger": ("! in danger", "warn"),
    "advice": ("! advice", "warn"),
}
_ORDER: tuple[Severity, ...] = ("broken", "danger", "advice")


@dataclass(frozen=True)
class LogicalFinding:
    """One thing that is wrong in `database`; `kind` is one of KINDS.

    `subject` is the subscription, slot or table (`schema.name`) that it concerns, `cause` one sentence,
    `evidence` what was seen, one observation a line, `mend` what to do. `remedy` is the name of a remedy that
    `plan_remedy` knows ("" where a person has to act first); `lsn` is what SKIP would take.
    """

    kind: str
    database: str
    subject: str
    cause: str
    evidence: tuple[str, ...]
    mend: str
    remedy: str = ""
    lsn: str | None = None

    @property
    def title(self) -> str:
        """The finding in a few words."""
        return KINDS[self.kind][0]

    @property
    def severity(self) -> Severity:
        """`broken`: rows do not arrive; `danger`: they soon will not; `advice`: worth a look."""
        return KINDS[self.kind][1]

    @property
    def mark(self) -> Cell:
        """The severity as a table's cell."""
        return Cell(*_MARKS[self.severity])

    @property
    def table(self) -> Table:
        """Evidence, cause and remedy, one below the other."""
        facts = {
            "": self.mark,
            "evidence": "\n".join(self.evidence),
            "cause": self.cause,
            "mended by": self.mend,
        }
        return card(f"{self.database}: {self.title}: {self.subject}", facts)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def __str__(self) -> str:
        return str(self.table)

    __repr__ = __str__


@dataclass(frozen=True)
class LogicalDiagnosis:
    """The findings, the worst first, and the databases that were looked at."""

    findings: tuple[LogicalFinding, ...]
    databases: tuple[str, ...]

    @classmethod
    def of(cls, findings: Sequence[LogicalFinding], databases: Sequence[str]) -> LogicalDiagnosis:
        """The findings in the order in which they matter, each once."""
        unique = dict.fromkeys(findings)
        return cls(tuple(sorted(unique, key=lambda f: _ORDER.index(f.severity))), tuple(databases))

    def __iter__(self) -> Iterator[LogicalFinding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that were found."""
        return frozenset(finding.kind for finding in self)

    def find(self, kind: str, database: str = "") -> LogicalFinding | None:
        """The finding of that kind, in that database where one is named."""
        return next((f for f in self if f.kind == kind and database in ("", f.database)), None)

    @property
    def sentence(self) -> str:
        """The diagnosis in one line."""
        if not self.findings:
            return f"nothing is wrong in {', '.join(self.databases) or 'no database'}"
        worst, more = self.findings[0], len(self) - 1
        others = f" (and {more} more)" if more else ""
        return f"{worst.database}: {worst.title}: {worst.subject}{others}"

    @property
    def map(self) -> Table:
        """Each database with what was found there and the remedy's name."""
        rows = [row for name in self.databases for row in self._rows(name)]
        columns = ("database", "", "found", "of", "remedy")
        return Table.of(columns, rows, title=f"Logical replication: {self.sentence}")

    def _rows(self, database: str) -> list[tuple[object, ...]]:
        found = [f for f in self if f.database == database]
        fine: list[tuple[object, ...]] = [(database, Cell("✓ well", "good"), "", "", "")]
        return [(database, f.mark, f.title, f.subject, f.remedy) for f in found] or fine

    def checks(self, journal: Journal) -> Checks:
        """Each finding as a check that failed (advice stops nothing), or one that nothing was found."""
        items = [
            Check(f"{f.database}: {f.title}", False, f"{f.subject}: {f.cause}", "not so", f.mend,
                  advice=f.severity == "advice")
            for f in self
        ]  # fmt: skip
        none = Check("findings", True, "none", "none")
        return Checks.of("Diagnosis of logical replication", items or [none], journal)

    def _repr_html_(self) -> str:
        cards = "<br>".join(finding._repr_html_() for finding in self)
        return f"{self.map._repr_html_()}<br>{cards}" if cards else self.map._repr_html_()

    def __str__(self) -> str:
        return "\n\n".join([str(self.map), *map(str, self.findings)])

    __repr__ = __str__
