"""What was done to what, when, with which result and how long it took.

A journal belongs to one run of one notebook. Everything that changes something writes to it, before it
acts and after; so a run that is killed halfway still shows what it had begun. With a path it is a file of
JSON lines; without one it lives in memory, and the notebook's last cell shows it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from pgnb.display import Cell, Table, spell_seconds

PATH_VARIABLE = "PGNB_JOURNAL"
Kind = Literal["begin", "end", "checks", "facts", "server", "phase", "former", "finished"]


@dataclass(frozen=True)
class Entry:
    """One act: `what` on `target` at `at` (UTC), its `result`, and its duration in seconds."""

    at: datetime
    target: str
    what: str
    result: str
    ok: bool
    seconds: float


@dataclass
class Act:
    """An act in progress; whoever carries it out says what came of it."""

    result: str = "done"


@dataclass
class Journal:
    """The log of one run; `dry_run` says that the run only plans."""

    path: Path | None = None
    dry_run: bool = False
    entries: list[Entry] = field(default_factory=list)
    checked: list[tuple[str, str, int, int]] = field(default_factory=list)

    @classmethod
    def from_environment(cls, *, dry_run: bool = False) -> Journal:
        """The journal that the runner asked for by `PGNB_JOURNAL`, or one in memory."""
        path = os.environ.get(PATH_VARIABLE)
        return cls(Path(path) if path else None, dry_run)

    @contextmanager
    def act(self, target: str, what: str) -> Iterator[Act]:
        """Journal one act: a statement, a command or an API call that changes something.

        `what` must be free of secrets. The act's exception, if any, is journalled and goes on.
        """
        at, started, act = datetime.now(UTC), monotonic(), Act()
        self.write("begin", {"at": at.isoformat(), "target": target, "what": what})
        try:
            yield act
        except BaseException as error:
            self._end(Entry(at, target, what, _first_line(error), False, monotonic() - started))
            raise
        self._end(Entry(at, target, what, act.result, True, monotonic() - started))

    def _end(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.write("end", asdict(entry) | {"at": entry.at.isoformat()})

    def checks(self, stage: str, title: str, items: Sequence[Mapping[str, Any]]) -> None:
        """Keep a table of checks, each with `ok`: at the gate before a change, or verified after it."""
        self.checked.append((stage, title, sum(bool(item["ok"]) for item in items), len(items)))
        self.write("checks", {"stage": stage, "title": title, "items": items})

    def facts(self, **facts: Any) -> None:
        """Keep facts of the whole run for the record: cluster, context, namespace."""
        self.write("facts", facts)

    def server(self, pod: str, **facts: Any) -> None:
        """Keep what a server was that this run worked on: image, version, role, system identifier."""
        self.write("server", {"pod": pod, **facts})

    def phase(self, name: str, seconds: float) -> None:
        """Keep how long a phase took, in seconds."""
        self.write("phase", {"name": name, "seconds": round(seconds, 3)})

    def finished(self) -> None:
        """Say that the notebook reached its last cell."""
        self.write("finished", {"at": datetime.now(UTC).isoformat(), "dry_run": self.dry_run})

    def write(self, kind: Kind, content: Mapping[str, Any]) -> None:
        """Append one line; it is in the file when this returns."""
        if self.path is None:
            return
        line = json.dumps({"kind": kind, **content}, ensure_ascii=False, default=str)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    @property
    def table(self) -> Table:
        """What changed in this run, one act a line."""
        rows = [
            (e.at.strftime("%H:%M:%S"), e.target, e.what, _result_cell(e), spell_seconds(e.seconds))
            for e in self.entries
        ]
        note = "" if rows else "Nothing was changed."
        return Table.of(("UTC", "target", "what", "result", "took"), rows, title="Journal", note=note)


def _result_cell(entry: Entry) -> Cell:
    return Cell(entry.result, "" if entry.ok else "bad")


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
