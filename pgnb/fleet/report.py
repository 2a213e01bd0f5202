"""The report of a fleet: a row a target, the worst first, from the entries of the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from pgnb.core.display import Cell, Table, Tone, format_duration
from pgnb.core.errors import ParameterError
from pgnb.fleet.differences import Difference, differences, lag_text
from pgnb.fleet.entry import Entry
from pgnb.fleet.store import RecordStore
from pgnb.runbook.catalogue import number_of
from pgnb.runbook.verdict import EXIT_CODES, Verdict

LANGUAGES = ("en", "ja", "both")
WORST = (
    Verdict.STOPPED_LATER,
    Verdict.KILLED,
    Verdict.INTERRUPTED,
    Verdict.TIMEOUT,
    Verdict.INCOMPLETE,
    Verdict.FAILED,
    Verdict.UNREACHABLE,
    Verdict.STOPPED,
    Verdict.RUNNING,
    Verdict.WOULD_STOP,
    Verdict.PLANNED,
    Verdict.PASSED,
)
"""The verdicts, the worst first: one that may have left a change half done is worse than a failed check."""
_HOUR = timedelta(hours=1)
_DAMAGED, _SILENT = 1, EXIT_CODES[Verdict.INCOMPLETE]
"""Exit statuses of what has no verdict: a chain with a fault; a target that left no record in time."""


@dataclass(frozen=True)
class Row:
    """One target: the latest run of each notebook, and the run before it.

    `fault` says what is wrong with its chain; `silent`: it has no record, or none that is young enough.
    """

    target: str
    latest: tuple[Entry, ...] = ()
    before: Mapping[str, Entry] = field(default_factory=dict)
    fault: str = ""
    silent: bool = False

    @property
    def verdict(self) -> Verdict | None:
        """The worst verdict of the latest runs; None without a run."""
        found = [Verdict(entry.verdict) for entry in self.latest]
        return min(found, key=WORST.index, default=None)

    @property
    def failed(self) -> tuple[Entry, ...]:
        """The latest runs that did not end well."""
        return tuple(entry for entry in self.latest if entry.exit_code)

    @property
    def newest(self) -> Entry | None:
        """The run that began last."""
        return max(self.latest, key=lambda entry: entry.at, default=None)

    def _having(self, name: str) -> Entry | None:
        """The newest run that has a figure."""
        having = (entry for entry in self.latest if name in entry.figures)
        return max(having, key=lambda entry: entry.at, default=None)

    def _figure(self, name: str) -> Any:
        entry = self._having(name)
        return entry.figures[name] if entry else None

    @property
    def lag(self) -> Mapping[str, Any] | None:
        """The lag as it was measured last; None: never."""
        found: Mapping[str, Any] | None = self._figure("lag")
        return found

    @property
    def lag_is_old(self) -> datetime | None:
        """When the lag was measured, if that is more than an hour before the newest run."""
        entry, newest = self._having("lag"), self.newest
        old = entry is not None and newest is not None and newest.at - entry.at > _HOUR
        return entry.at if entry is not None and old else None

    @property
    def drift(self) -> tuple[str, ...] | None:
        """Names of what differs, by the latest runs; None: nothing was compared."""
        found = [entry.figures["drift"] for entry in self.latest if "drift" in entry.figures]
        return tuple(dict.fromkeys(name for names in found for name in names)) if found else None

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions of PostgreSQL in the newest run that saw a server."""
        return tuple(self._figure("versions") or ())

    @property
    def backup(self) -> datetime | None:
        """When the last backup ended; None: none was found, or none was looked for (`backup_known`)."""
        ended = (self._figure("last_backup") or {}).get("ended")
        return datetime.fromisoformat(ended) if ended else None

    @property
    def backup_known(self) -> bool:
        """Whether a run looked for backups."""
        return self._figure("last_backup") is not None

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What changed since the run before, notebook by notebook, each once."""
        pairs = [(self.before[e.notebook], e) for e in self.latest if e.notebook in self.before]
        return tuple(dict.fromkeys(one for pair in pairs for one in differences(*pair)))

    @property
    def exit_code(self) -> int:
        """The exit status that the worst of it stands for."""
        if self.fault:
            return _DAMAGED
        code = EXIT_CODES[self.verdict] if self.verdict else 0
        return code or (_SILENT if self.silent else 0)

    @property
    def rank(self) -> tuple[Any, ...]:
        """Where it stands in the report: the smaller, the worse."""
        lag = self.lag or {}
        return (
            not self.fault,
            not self.failed,
            WORST.index(self.verdict) if self.verdict and self.failed else len(WORST),
            not self.silent,
            not (self.lag and not lag.get("connected")),
            -len(self.drift or ()),
            -(lag.get("bytes") or 0),
            self.target,
        )


@dataclass(frozen=True)
class Report:
    """All targets of a fleet at one moment, the worst first.

    `within`: how old a target's last record may be; `left`: targets in the store that are not the fleet's.
    """

    fleet: str
    url: str
    at: datetime
    rows: tuple[Row, ...]
    within: timedelta | None = None
    left: tuple[str, ...] = ()

    @cached_property
    def notebooks(self) -> tuple[str, ...]:
        """The notebooks that left a record on any target, in order."""
        return tuple(sorted({entry.notebook for row in self.rows for entry in row.latest}))

    @cached_property
    def versions(self) -> Mapping[str, int]:
        """The versions of PostgreSQL, with how many targets have each; the most frequent first."""
        return dict(Counter(version for row in self.rows for version in row.versions).most_common())

    @property
    def usual_version(self) -> str:
        """The version that most targets have; "" where none was seen."""
        return next(iter(self.versions), "")

    @property
    def failed(self) -> tuple[Row, ...]:
        """The targets of which a latest run did not end well, or whose chain has a fault."""
        return tuple(row for row in self.rows if row.failed or row.fault)

    @property
    def silent(self) -> tuple[Row, ...]:
        """The targets without a record, or without one that is young enough."""
        return tuple(row for row in self.rows if row.silent)

    @property
    def drifting(self) -> tuple[Row, ...]:
        """The targets on which something differs from what was declared, recorded or allowed."""
        return tuple(row for row in self.rows if row.drift)

    @property
    def worst_lag(self) -> Row | None:
        """The target that is furthest behind; None where no lag was measured."""
        measured = [row for row in self.rows if row.lag]
        return max(measured, key=lambda row: _behind(row.lag or {}), default=None)

    @property
    def without_backup(self) -> tuple[Row, ...]:
        """The targets on which a run looked for a backup and found none."""
        return tuple(row for row in self.rows if row.backup_known and row.backup is None)

    @property
    def oldest_backup(self) -> Row | None:
        """The target whose last backup is the oldest."""
        known = [row for row in self.rows if row.backup]
        return min(known, key=lambda row: row.backup or self.at, default=None)

    @property
    def exit_code(self) -> int:
        """The exit status of the worst target; 0 when all is well."""
        return next((row.exit_code for row in self.rows if row.exit_code), 0)

    @property
    def table(self) -> Table:
        """A line a target, for a terminal."""
        columns = ("target", "verdict", "last record", "drift", "lag", "PostgreSQL", "last backup", "changed")
        return Table.of(columns, [_line(self, row) for row in self.rows], title=self.title, note=self.note)

    @property
    def title(self) -> str:
        """The totals in one line."""
        parts = [
            f"{len(self.rows)} targets",
            f"{len(self.failed)} failed or stopped",
            f"{len(self.silent)} silent",
        ]
        parts += [f"{len(self.drifting)} with drift"]
        return f"Fleet {self.fleet}: {', '.join(parts)}"

    @property
    def note(self) -> str:
        """What failed, target by target."""
        return "\n".join(line for row in self.rows for line in _troubles(row))


def gather(
    store: RecordStore,
    fleet: str,
    *,
    targets: Sequence[str] = (),
    notebooks: Sequence[str] = (),
    within: timedelta | None = None,
    at: datetime | None = None,
) -> Report:
    """Read the store, and return the report of a fleet.

    `targets`: the fleet's names; without them every target of the store. `notebooks`: numbers of those that
    count; without them all. A target without a record that began `within` that time is silent. Raises
    RecordError.
    """
    at = at or datetime.now(UTC)
    found, faults = store.read()
    names = list(dict.fromkeys(targets)) or sorted({*found, *faults})
    rows = [_row(name, found.get(name, ()), faults.get(name, ""), notebooks, at, within) for name in names]
    left = tuple(sorted({*found, *faults} - set(names)))
    return Report(fleet, store.url, at, tuple(sorted(rows, key=lambda row: row.rank)), within, left)


def report(
    store: RecordStore,
    fleet: str,
    *,
    targets: Sequence[str] = (),
    notebooks: Sequence[str] = (),
    within: timedelta | None = None,
    lang: str = "both",
) -> str:
    """Return the page of a fleet's report as HTML; `lang`: en, ja or both, and the rest as for gather."""
    from pgnb.fleet.page import page

    if lang not in LANGUAGES:
        raise ParameterError(f"the page cannot be in {lang!r}", remedy=f"One of {', '.join(LANGUAGES)}.")
    return page(gather(store, fleet, targets=targets, notebooks=notebooks, within=within), lang)


def _row(
    name: str,
    entries: Sequence[Entry],
    fault: str,
    notebooks: Sequence[str],
    at: datetime,
    within: timedelta | None,
) -> Row:
    runs: dict[str, list[Entry]] = {}
    for entry in entries:
        if not notebooks or number_of(entry.notebook) in notebooks:
            runs.setdefault(entry.notebook, []).append(entry)
    for some in runs.values():
        some.sort(key=lambda entry: entry.at)
    latest = tuple(runs[notebook][-1] for notebook in sorted(runs))
    before = {notebook: some[-2] for notebook, some in runs.items() if len(some) > 1}
    newest = max((entry.at for entry in latest), default=None)
    silent = not fault and (newest is None or (within is not None and at - newest > within))
    return Row(name, latest, before, fault, silent)


def _behind(lag: Mapping[str, Any]) -> tuple[bool, float, float]:
    return not lag.get("connected"), lag.get("bytes") or 0, lag.get("seconds") or 0


def format_age(at: datetime, moment: datetime) -> str:
    """Return how long before `at` a moment was: in days from two on."""
    age = at - moment
    return f"{age.days} d" if age.days > 1 else format_duration(max(0.0, age.total_seconds()))


def _line(report: Report, row: Row) -> tuple[object, ...]:
    newest, tone = row.newest, _tone(row)
    usual = row.versions in ((), (report.usual_version,))
    backup = (
        format_age(report.at, row.backup) if row.backup else Cell("none", "warn") if row.backup_known else "–"
    )
    return (
        row.target,
        Cell(_verdict_text(row), tone),
        f"{format_age(report.at, newest.at)} ago" if newest else Cell("none", "bad"),
        "–" if row.drift is None else str(len(row.drift)),
        "–" if row.lag is None else lag_text(row.lag),
        Cell(", ".join(row.versions) or "–", "" if usual else "warn"),
        backup,
        ", ".join(dict.fromkeys(one.kind for one in row.differences)) or "–",
    )


def _verdict_text(row: Row) -> str:
    if row.fault:
        return "chain damaged"
    if row.verdict is None:
        return "no record"
    failed = ", ".join(number_of(entry.notebook) for entry in row.failed)
    words = f"{row.verdict} ({failed})" if failed else str(row.verdict)
    return f"{words}, silent" if row.silent else words


def _tone(row: Row) -> Tone:
    return "bad" if row.exit_code else "warn" if row.drift else "good"


def _troubles(row: Row) -> Iterator[str]:
    if row.fault:
        yield f"{row.target}: {row.fault}"
    for entry in row.failed:
        start = f"{row.target}, {number_of(entry.notebook)}"
        failed = entry.figures.get("failed", ())
        yield from (f"{start}: {one['name']}: {one['found']} (wanted {one['wanted']})" for one in failed)
        yield from (f"{start}: a gate would stop: {stop}" for stop in entry.figures.get("stops", ()))
        if entry.error and not failed:
            yield f"{start}: {entry.error}"
