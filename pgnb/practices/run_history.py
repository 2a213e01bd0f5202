"""What the records say of earlier runs: which notebook, when, with which verdict, what it changed."""

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
class PastRun:
    """One record: `notebook` as its file's stem, times in UTC, `changes` the acts that were carried out."""

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
        """Whether it was carried out, wholly and with every check passed."""
        return self.verdict == "passed"

    def covers(self, moment: datetime, slack: timedelta) -> bool:
        """Whether the moment lies in the run, or within `slack` of it."""
        end = self.ended or self.started
        return self.started - slack <= moment <= end + slack


@dataclass(frozen=True, repr=False)
class Past(Displayable):
    """The records of a folder, oldest first; `unreadable` names those that are none."""

    folder: Path
    runs: tuple[PastRun, ...]
    unreadable: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[PastRun]:
        return iter(self.runs)

    def of(self, *system_identifiers: str) -> Past:
        """Only the runs that worked on one of these database clusters."""
        wanted = frozenset(system_identifiers)
        runs = tuple(run for run in self.runs if run.system_identifiers & wanted)
        return Past(self.folder, runs, self.unreadable)

    @property
    def changing(self) -> tuple[PastRun, ...]:
        """The runs that changed something, or began to."""
        return tuple(run for run in self.runs if run.changes)

    def last(self, notebook: str, *, changed: bool = False) -> PastRun | None:
        """The newest run of a notebook (by the beginning of its name) that passed."""
        runs = [run for run in self.runs if run.passed and run.notebook.startswith(notebook)]
        return next((run for run in reversed(runs) if run.changes or not changed), None)

    @property
    def table(self) -> Table:
        """The newest runs that changed something: when, what, by whom, with which verdict."""
        rows = [
            (run.started, run.notebook, run.who, run.changes, _verdict(run), run.name)
            for run in reversed(self.changing[-_SHOWN:])
        ]
        more = len(self.changing) - _SHOWN
        notes = [f"{more} older ones are not shown."] if more > 0 else []
        notes += [f"Not readable: {', '.join(self.unreadable)}"] if self.unreadable else []
        notes += [] if rows else ["No run on these servers changed anything."]
        columns = ("started (UTC)", "notebook", "by", "changes", "verdict", "record")
        return Table.of(
            columns if rows else (), rows, title=f"Changes, by {self.folder}", note="\n".join(notes)
        )


def around(moment: datetime, runs: Sequence[PastRun]) -> PastRun | None:
    """The run in which the moment lies, or the last one that is near it: clocks differ a little."""
    near = [run for run in runs if run.covers(moment, _SLACK)]
    within = [run for run in near if run.covers(moment, timedelta())]
    chosen = within or near
    return chosen[-1] if chosen else None


def read_past(folder: str, journal: Journal) -> Past:
    """The records in a folder; "": the one that this run's record is in, else $PGNB_RECORDS, else ./records.

    A run that is still going on, as this one, is left out. A folder that is not there holds no records.
    """
    path = _folder(folder, journal)
    runs: list[PastRun] = []
    unreadable: list[str] = []
    for file in sorted(path.glob("*/record.json")):
        try:
            runs.append(_run(json.loads(file.read_text(encoding="utf-8"))))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # A torn record is told to the reader; the others still count.
            unreadable.append(file.parent.name)
    ended = (run for run in runs if run.verdict != "running")
    return Past(path, tuple(sorted(ended, key=lambda run: run.started)), tuple(unreadable))


def _folder(folder: str, journal: Journal) -> Path:
    if folder:
        return Path(folder).expanduser()
    if journal.path is not None:
        return journal.path.parent.parent
    return Path(os.environ.get(FOLDER_VARIABLE) or "records")


def _run(record: Mapping[str, Any]) -> PastRun:
    servers = record.get("servers") or ()
    return PastRun(
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


def _verdict(run: PastRun) -> Cell:
    tone: Tone = "good" if run.verdict in _FINE else "warn"
    return Cell(run.verdict, tone)


def age_of(moment: datetime) -> timedelta:
    """How long ago a moment was."""
    return datetime.now(UTC) - moment


def spell_age(moment: datetime | None) -> str:
    """A moment and how long ago it was, in days or less."""
    if moment is None:
        return "never"
    age = age_of(moment)
    words = f"{age.days} days" if age.days > 1 else format_duration(age.total_seconds())
    return f"{moment:%Y-%m-%d %H:%M} UTC, {words} ago"
