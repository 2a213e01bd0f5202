"""Earlier runs, read from their records: which notebook, when, the verdict, and how much it changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pgnb.core.display import Cell, Displayable, Table, Tone, format_duration
from pgnb.core.journal import Journal

FOLDER_VARIABLE = "PGNB_RECORDS"
_FINE = ("passed", "planned")
_SHOWN = 15
_SLACK = timedelta(seconds=60)


@dataclass(frozen=True)
class RecordedRun:
    """One record: `notebook` is the file name without suffix, times are UTC, `changes` counts the acts."""

    name: str
    notebook: str
    started: datetime
    ended: datetime | None
    verdict: str
    changes: int
    who: str
    parameters: Mapping[str, Any]
    system_identifiers: frozenset[str]

    @property
    def passed(self) -> bool:
        """Whether the run completed and every check passed."""
        return self.verdict == "passed"

    def spans(self, moment: datetime, slack: timedelta) -> bool:
        """Whether the moment is in the run, or within `slack` of it."""
        end = self.ended or self.started
        return self.started - slack <= moment <= end + slack


@dataclass(frozen=True, repr=False)
class RunHistory(Displayable):
    """The records of a folder, oldest first; `unreadable` names those that can't be read."""

    folder: Path
    runs: tuple[RecordedRun, ...]
    unreadable: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[RecordedRun]:
        return iter(self.runs)

    def of(self, *system_identifiers: str) -> RunHistory:
        """Return only the runs on one of these database clusters."""
        chosen = frozenset(system_identifiers)
        runs = tuple(run for run in self.runs if run.system_identifiers & chosen)
        return RunHistory(self.folder, runs, self.unreadable)

    @property
    def changing(self) -> tuple[RecordedRun, ...]:
        """The runs that changed something, or began to."""
        return tuple(run for run in self.runs if run.changes)

    def last(self, notebook: str, *, changed: bool = False) -> RecordedRun | None:
        """Return the newest run that passed of the notebook whose name begins so."""
        runs = [run for run in self.runs if run.passed and run.notebook.startswith(notebook)]
        return next((run for run in reversed(runs) if run.changes or not changed), None)

    @property
    def table(self) -> Table:
        """The newest runs that changed something, with time, user and verdict."""
        rows = [
            (run.started, run.notebook, run.who, run.changes, _verdict(run), run.name)
            for run in reversed(self.changing[-_SHOWN:])
        ]
        more = len(self.changing) - _SHOWN
        notes = [f"{more} older runs are not shown."] if more > 0 else []
        notes += [f"Not readable: {', '.join(self.unreadable)}"] if self.unreadable else []
        notes += [] if rows else ["No recorded run on these servers changed anything."]
        columns = ("started (UTC)", "notebook", "by", "changes", "verdict", "record")
        return Table.of(
            columns if rows else (), rows, title=f"Changes recorded in {self.folder}", note="\n".join(notes)
        )


def run_at(moment: datetime, runs: Sequence[RecordedRun]) -> RecordedRun | None:
    """Return the run at that moment, or the last one close to it, since clocks differ a little."""
    near = [run for run in runs if run.spans(moment, _SLACK)]
    within = [run for run in near if run.spans(moment, timedelta())]
    chosen = within or near
    return chosen[-1] if chosen else None


def run_history(folder: str, journal: Journal) -> RunHistory:
    """Read the records in a folder; "": that of this run's record, else $PGNB_RECORDS, else ./records.

    Runs that have not ended, such as this one, are left out. A folder that does not exist holds no records.
    """
    path = _folder(folder, journal)
    runs: list[RecordedRun] = []
    unreadable: list[str] = []
    for file in sorted(path.glob("*/record.json")):
        try:
            runs.append(_run(json.loads(file.read_text(encoding="utf-8"))))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            unreadable.append(file.parent.name)
    ended = (run for run in runs if run.verdict != "running")
    return RunHistory(path, tuple(sorted(ended, key=lambda run: run.started)), tuple(unreadable))


def _folder(folder: str, journal: Journal) -> Path:
    if folder:
        return Path(folder).expanduser()
    if journal.path is not None:
        return journal.path.parent.parent
    return Path(os.environ.get(FOLDER_VARIABLE) or "records")


def _run(record: Mapping[str, Any]) -> RecordedRun:
    servers = record.get("servers") or ()
    return RecordedRun(
        record["name"],
        record["notebook"],
        datetime.fromisoformat(record["started"]),
        datetime.fromisoformat(record["ended"]) if record.get("ended") else None,
        record["verdict"],
        int(record["changes"]),
        record["who"],
        record["parameters"],
        frozenset(str(server["system_identifier"]) for server in servers),
    )


def _verdict(run: RecordedRun) -> Cell:
    tone: Tone = "good" if run.verdict in _FINE else "warn"
    return Cell(run.verdict, tone)


def age_of(moment: datetime) -> timedelta:
    """Return how long ago a moment was."""
    return datetime.now(UTC) - moment


def format_age(moment: datetime | None) -> str:
    """Format a moment and how long ago it was."""
    if moment is None:
        return "never"
    age = age_of(moment)
    words = f"{age.days} days" if age.days > 1 else format_duration(age.total_seconds())
    return f"{moment:%Y-%m-%d %H:%M} UTC, {words} ago"
