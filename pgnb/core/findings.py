"""Findings of a diagnosis: the registry of their kinds, and the diagnosis, worst finding first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pgnb.core.checks import Check, Checks
from pgnb.core.display import Cell, Displayable, Table, Tone, key_value_table
from pgnb.core.journal import Journal

Severity = Literal["broken", "danger", "advice"]
"""`broken`: replication does not work; `danger`: it will soon stop working; `advice`: worth checking."""
AREAS = ("pod", "disk", "configuration", "role", "history", "connection", "slot", "replay")
"""The parts of a server that a kind can be about, in the map's order; `logical replication` is mapped by
database.
"""
_MARKS: Mapping[Severity, tuple[str, Tone]] = {
    "broken": ("✗ broken", "bad"),
    "danger": ("! in danger", "warn"),
    "advice": ("! advice", "warn"),
}
_ORDER: tuple[Severity, ...] = ("broken", "danger", "advice")


@dataclass(frozen=True)
class Kind:
    """A kind of finding: its title, its severity, and the part of a server that it is about."""

    title: str
    severity: Severity
    area: str


KINDS: Mapping[str, Kind] = {
    "no-pod": Kind("no pod", "broken", "pod"),
    "several-pods": Kind("several pods match as the primary", "danger", "pod"),
    "pod-not-ready": Kind("the pod is not Ready", "broken", "pod"),
    "no-session": Kind("no session to the server", "broken", "pod"),
    "disk-nearly-full": Kind("the disk is nearly full", "danger", "disk"),
    "disk-full": Kind("the disk is full", "broken", "disk"),
    "broken-configuration": Kind("an invalid line in the configuration", "danger", "configuration"),
    "broken-hba": Kind("an invalid line in pg_hba.conf", "danger", "configuration"),
    "pending-restart": Kind("settings wait for a restart", "advice", "configuration"),
    "application-name": Kind("application_name has no effect", "danger", "configuration"),
    "no-primary": Kind("the primary is in recovery", "broken", "role"),
    "role-change": Kind("a change of roles was begun and not completed", "danger", "role"),
    "split-brain": Kind("the standby is not in recovery (split brain)", "broken", "role"),
    "other-system": Kind("a different database cluster (system identifier)", "broken", "history"),
    "other-timeline": Kind("a different timeline", "broken", "history"),
    "unreachable": Kind("the primary cannot be reached by its name", "broken", "connection"),
    "hba-rejects": Kind("pg_hba.conf rejects the standby", "broken", "connection"),
    "wrong-password": Kind("the password is wrong", "broken", "connection"),
    "no-replication": Kind("the role has no REPLICATION attribute", "broken", "connection"),
    "no-free-sender": Kind("no walsender is free", "broken", "connection"),
    "receiver-dead": Kind("no WAL receiver is running", "broken", "connection"),
    "slot-missing": Kind("the slot does not exist", "broken", "slot"),
    "slot-in-use": Kind("the slot is in use by another standby", "broken", "slot"),
    "slot-lost": Kind("the slot is lost", "broken", "slot"),
    "slot-at-risk": Kind("the slot will soon be lost", "danger", "slot"),
    "slot-not-used": Kind("the standby streams without its slot", "danger", "slot"),
    "slot-for-nobody": Kind("a slot without a consumer keeps WAL", "danger", "slot"),
    "wal-removed": Kind("WAL that the standby needs was removed", "broken", "slot"),
    "setting-too-low": Kind("a setting is lower than the primary's", "broken", "replay"),
    "replay-paused": Kind("replay is paused", "broken", "replay"),
    "no-database": Kind("the database does not exist on the subscriber", "broken", "logical replication"),
    "no-subscription": Kind("no subscription", "broken", "logical replication"),
    "no-publication": Kind("no publication", "broken", "logical replication"),
    "disabled": Kind("the subscription is disabled", "broken", "logical replication"),
    "lost-slot": Kind("the slot is lost", "broken", "logical replication"),
    "conflict": Kind("a conflict stops the apply", "broken", "logical replication"),
    "missing-table": Kind("a table is missing on the subscriber", "broken", "logical replication"),
    "refused-row": Kind("the subscriber's table rejects a row", "broken", "logical replication"),
    "no-replica-identity": Kind("a table has no replica identity", "broken", "logical replication"),
    "unidentified-table": Kind(
        "the publisher refuses UPDATE and DELETE of a table", "broken", "logical replication"
    ),
    "outside-identity": Kind(
        "the publisher refuses UPDATE and DELETE of a table", "broken", "logical replication"
    ),
    "cannot-arrive": Kind("UPDATE and DELETE of a table cannot be applied", "danger", "logical replication"),
    "apply-fails": Kind("the apply fails", "broken", "logical replication"),
    "stalled-sync": Kind("the initial copy of a table keeps failing", "broken", "logical replication"),
    "too-few-workers": Kind("too few workers on the subscriber", "broken", "logical replication"),
    "dead-connection": Kind("the connection to the publisher is dead", "broken", "logical replication"),
    "no-worker": Kind("no apply worker is running", "broken", "logical replication"),
    "not-refreshed": Kind(
        "the subscription does not know a published table", "broken", "logical replication"
    ),
    "resync-unfinished": Kind(
        "a table's new copy was begun and not completed", "broken", "logical replication"
    ),
    "schema-differs": Kind("the schemas differ", "danger", "logical replication"),
    "missing-rows": Kind("rows to change did not exist", "danger", "logical replication"),
    "log-not-read": Kind("the subscriber's log could not be read", "advice", "logical replication"),
}


@dataclass(frozen=True, repr=False)
class Finding(Displayable):
    """One problem of `subject`: a pod, server, role, slot, subscription or table.

    `kind` is one of KINDS, `cause` one sentence, `evidence` what was seen, one observation a line, `remedy`
    the section or command that corrects it. `database` is set for logical replication; there `remedy_id` is
    the name of the remedy for `plan_remedy` ("" if a person has to act first), and `lsn` is the LSN for SKIP.
    """

    kind: str
    subject: str
    cause: str
    evidence: tuple[str, ...]
    remedy: str
    database: str = ""
    remedy_id: str = ""
    lsn: str | None = None

    @property
    def title(self) -> str:
        """The finding in a few words."""
        return KINDS[self.kind].title

    @property
    def area(self) -> str:
        """The part of a server that it is about, one of AREAS."""
        return KINDS[self.kind].area

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return KINDS[self.kind].severity

    @property
    def mark(self) -> Cell:
        """The severity as a table's cell."""
        return Cell(*_MARKS[self.severity])

    @property
    def heading(self) -> str:
        """The finding and its subject, in one line."""
        where = f"{self.database}: " if self.database else ""
        return f"{where}{self.title}: {self.subject}"

    @property
    def check(self) -> Check:
        """The finding as a failed check; advice stops nothing."""
        advice = self.severity == "advice"
        return Check(self.heading, False, self.cause, "no finding", self.remedy, advice=advice)

    @property
    def table(self) -> Table:
        """Severity, evidence, cause and remedy, one below the other."""
        facts = {
            "severity": self.mark,
            "evidence": "\n".join(self.evidence),
            "cause": self.cause,
            "remedy": self.remedy,
        }
        return key_value_table(f"{self.heading[:1].upper()}{self.heading[1:]}", facts)


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """The findings, worst first, and what was checked: servers, or databases of logical replication."""

    findings: tuple[Finding, ...]
    servers: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, findings: Iterable[Finding], servers: Iterable[str] = (), *, databases: Iterable[str] = ()
    ) -> Diagnosis:
        """Return a diagnosis of the findings, ordered by severity, each once."""
        ordered = sorted(dict.fromkeys(findings), key=lambda finding: _ORDER.index(finding.severity))
        return cls(tuple(ordered), tuple(servers), tuple(databases))

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def title(self) -> str:
        """What was diagnosed."""
        return "Diagnosis" if self.servers else "Diagnosis of logical replication"

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of the findings."""
        return frozenset(finding.kind for finding in self)

    def find(self, kind: str, subject: str = "", *, database: str = "") -> Finding | None:
        """Return the finding of that kind, and of that subject and database if given."""
        return next(
            (
                f
                for f in self
                if f.kind == kind and subject in ("", f.subject) and database in ("", f.database)
            ),
            None,
        )

    @property
    def sentence(self) -> str:
        """The diagnosis in one line."""
        if not self.findings:
            where = f"with {', '.join(self.servers)}" if self.servers else f"in {', '.join(self.databases)}"
            return f"Nothing is wrong {where}."
        first = self.findings[0].heading
        return f"{first} (and {len(self) - 1} more)" if len(self) > 1 else first

    @property
    def map(self) -> Table:
        """The findings by area and server, or by database."""
        if not self.servers:
            rows = [row for name in self.databases for row in self._of_database(name)]
            return Table.of(
                ("database", "", "found", "of", "remedy"), rows, title=f"{self.title}: {self.sentence}"
            )
        subjects = tuple(dict.fromkeys((*self.servers, *(f.subject for f in self))))
        rows = [(area, *(self._at(area, subject) for subject in subjects)) for area in AREAS]
        return Table.of(("area", *subjects), rows, title=f"{self.title}: {self.sentence}")

    def _of_database(self, name: str) -> list[tuple[object, ...]]:
        here = [f for f in self if f.database == name]
        fine: list[tuple[object, ...]] = [(name, Cell("✓ well", "good"), "", "", "")]
        return [(name, f.mark, f.title, f.subject, f.remedy_id) for f in here] or fine

    def _at(self, area: str, subject: str) -> Cell:
        here = [f for f in self if f.area == area and f.subject == subject]
        if here:
            return Cell("\n".join(f"{f.mark.text}: {f.title}" for f in here), here[0].mark.tone)
        return Cell("✓", "good") if subject in self.servers else Cell("", "dim")

    def checks(self, journal: Journal) -> Checks:
        """Return each finding as a failed check (advice stops nothing), or one check without a finding."""
        items = [finding.check for finding in self] or [Check("findings", True, "none", "none")]
        return Checks.of(self.title, items, journal)

    def _repr_html_(self) -> str:
        return "<br>".join([self.map._repr_html_(), *(finding._repr_html_() for finding in self)])

    def __str__(self) -> str:
        return "\n\n".join([str(self.map), *map(str, self.findings)])

    def __repr__(self) -> str:
        return str(self)
