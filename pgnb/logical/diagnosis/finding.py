"""What a diagnosis of logical replication says: findings with evidence, cause and the way to mend them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pgnb.checks import Check
from pgnb.display import Cell, Table, Tabled, card
from pgnb.findings import Findings, Severity, mark, with_others, worst_first

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
    "unidentified-table": ("the publisher refuses UPDATE and DELETE of a table", "broken"),
    "outside-identity": ("the publisher refuses UPDATE and DELETE of a table", "broken"),
    "cannot-arrive": ("UPDATE and DELETE of a table cannot be applied", "danger"),
    "apply-fails": ("the apply fails", "broken"),
    "stalled-sync": ("the initial copy of a table fails again and again", "broken"),
    "too-few-workers": ("too few workers on the subscriber", "broken"),
    "dead-connection": ("the connection to the publisher is dead", "broken"),
    "no-worker": ("no apply worker runs", "broken"),
    "not-refreshed": ("the subscription does not know a published table", "broken"),
    "resync-unfinished": ("a table's new copy was begun and has not ended", "broken"),
    "schema-differs": ("the schemas differ", "danger"),
    "missing-rows": ("rows to change were not there", "danger"),
    "log-not-read": ("the subscriber's log could not be read", "advice"),
}


@dataclass(frozen=True, repr=False)
class LogicalFinding(Tabled):
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
        return mark(self.severity)

    @property
    def check(self) -> Check:
        """The finding as a check that failed; advice stops nothing."""
        return Check(
            f"{self.database}: {self.title}", False, f"{self.subject}: {self.cause}", "not so", self.mend,
            advice=self.severity == "advice",
        )  # fmt: skip

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


@dataclass(frozen=True, repr=False)
class LogicalDiagnosis(Findings[LogicalFinding]):
    """The findings, the worst first, and the databases that were looked at."""

    title: ClassVar[str] = "Diagnosis of logical replication"
    databases: tuple[str, ...]

    @classmethod
    def of(cls, findings: Sequence[LogicalFinding], databases: Sequence[str]) -> LogicalDiagnosis:
        """The findings in the order in which they matter, each once."""
        return cls(worst_first(findings), tuple(databases))

    def find(self, kind: str, database: str = "") -> LogicalFinding | None:
        """The finding of that kind, in that database where one is named."""
        return next((f for f in self if f.kind == kind and database in ("", f.database)), None)

    @property
    def sentence(self) -> str:
        """The diagnosis in one line."""
        if not self.findings:
            return f"nothing is wrong in {', '.join(self.databases) or 'no database'}"
        worst = self.findings[0]
        return with_others(f"{worst.database}: {worst.title}: {worst.subject}", len(self))

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
