"""The journal of a run: what was done to what, when, with which result, in how many seconds.

A journal belongs to one run of one notebook. Each change is written to it before and after the act, so that a
killed run still shows what it had begun. With a path it is a file of JSON lines; without one it is kept in
memory, and the notebook's last cell shows it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Literal
from weakref import ref

from pgnb.core.display import Cell, Table, format_duration
from pgnb.core.private import private_opener
from pgnb.core.secrecy import without_secrets

PATH_VARIABLE = "PGNB_JOURNAL"
APPROVED = "PGNB_APPROVED"
"""The approved plan that a run carries out: the number of its record, and its digest."""
APPROVAL_NAMESPACES = "PGNB_APPROVAL_NAMESPACES"
"""Patterns of the namespaces where nothing is changed without an approved plan, as a list in JSON."""
Kind = Literal[
    "begin",
    "end",
    "checks",
    "facts",
    "server",
    "phase",
    "previous",
    "former",
    "planned",
    "applied",
    "finished",
]
_MUST_LAST = ("begin", "end", "finished")
"""Kinds of lines that are flushed to the disk before the run continues."""
Stage = Literal["gate", "verify", "end"]
NO_CHANGE = ("unchanged", "was not there")
FIGURE = "figure."
"""How the name of a fact begins that is a measured figure: a number for programs, not for a reader."""
"""Results of acts that changed nothing."""


@dataclass(frozen=True)
class Entry:
    """One act: `what` on `target` at `at` (UTC), its `result`, and its duration in seconds."""

    at: datetime
    target: str
    what: str
    result: str
    ok: bool
    seconds: float
    temporary: str = ""
    removes: bool = False


@dataclass(frozen=True)
class Changes:
    """A run's permanent changes: `done` acts, `possible` ones that failed or never ended, times `at`."""

    done: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    at: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.done or self.possible)

    def __len__(self) -> int:
        return len(self.done) + len(self.possible)

    def __iter__(self) -> Iterator[str]:
        yield from self.done
        yield from (f"{text} (it failed or did not end: check whether it was done)" for text in self.possible)


def changes_of(begun: Sequence[Mapping[str, Any]], ended: Sequence[Mapping[str, Any]]) -> Changes:
    """Return the permanent changes among the acts of a journal.

    A helper pod or scratch database that the same run made and removed does not count, nor what was done in
    that database; nor does an act that changed nothing.
    """
    made = {act["temporary"] for act in ended if act.get("temporary") and not act.get("removes")}
    gone = {act["temporary"] for act in ended if act.get("removes") and act["ok"]} & made
    lasting = [
        act for act in ended if act.get("temporary", "") not in gone and act["result"] not in NO_CHANGE
    ]
    open_ = list(begun)
    for act in ended:
        same = next((one for one in open_ if all(one[k] == act[k] for k in ("at", "target", "what"))), None)
        if same is not None:
            open_.remove(same)
    every = [*lasting, *open_]
    return Changes(
        tuple(f"{act['target']}: {act['what']}" for act in every if act.get("ok")),
        tuple(f"{act['target']}: {act['what']}" for act in every if not act.get("ok")),
        frozenset(str(act["at"]) for act in every),
    )


def undo_of(applied: Sequence[Mapping[str, Any]], changes: Changes) -> tuple[tuple[str, str], ...]:
    """Return title and undo text of the applied changes that are still in effect, newest first."""
    lasting = [one for one in applied if changes.at & set(one["acts"])]
    return tuple((str(one["title"]), str(one["undo"])) for one in reversed(lasting))


@dataclass
class Act:
    """An act in progress; its caller sets the result."""

    result: str = "done"


@dataclass(frozen=True)
class Checked:
    """A table of checks as counted in the evidence; `informed` lines are facts without a condition."""

    stage: Stage
    title: str
    passed: int
    total: int
    informed: int
    failed: tuple[str, ...]
    depends_on: tuple[str, ...]


@dataclass
class Journal:
    """The journal of one run; `dry_run`: the run only plans."""

    path: Path | None = None
    dry_run: bool = False
    entries: list[Entry] = field(default_factory=list)
    checked: list[Checked] = field(default_factory=list)
    begun: list[dict[str, Any]] = field(default_factory=list)
    planned: list[str] = field(default_factory=list)
    """Titles of the changes that a plan-only run would have made so far."""
    _applied: list[dict[str, Any]] = field(default_factory=list)
    _temporary: tuple[str, bool] = ("", False)
    guards: list[Callable[[], None]] = field(default_factory=list, repr=False)
    """Called before each act; one that raises prevents the act."""
    at_finish: list[Callable[[], None]] = field(default_factory=list, repr=False)
    """Called when the notebook has reached its last cell."""
    elsewhere: Callable[[], Path] | None = field(default=None, repr=False)
    """Called before the next line is written, if set: where that one and all later ones go."""
    reached_end: bool = False
    """Whether the notebook has reached its last cell."""

    @classmethod
    def from_environment(cls, *, dry_run: bool = False) -> Journal:
        """Return the journal named by `PGNB_JOURNAL`, or one in memory."""
        path = os.environ.get(PATH_VARIABLE)
        journal = cls(Path(path) if path else None, dry_run)
        _OPENED.append(ref(journal))
        return journal

    @contextmanager
    def act(self, target: str, what: str, *, guarded: bool = True) -> Iterator[Act]:
        """Journal one act: a statement, a command or an API call that changes something.

        `what` must be free of secrets. An exception of the act is journalled and raised again. Without
        `guarded`, as for the removal of what this run made for itself, the guards are not called.
        """
        if guarded:
            self.assert_guarded()
        at, started, act = datetime.now(UTC), monotonic(), Act()
        temporary, removes = self._temporary
        line = {"at": at.isoformat(), "target": target, "what": what}
        self.begun.append(line)
        self.write("begin", line)
        entry = Entry(at, target, what, "", True, 0.0, temporary, removes)
        try:
            yield act
        except BaseException as error:
            self._end(replace(entry, result=_first_line(error), ok=False, seconds=monotonic() - started))
            raise
        self._end(replace(entry, result=act.result, seconds=monotonic() - started))

    def assert_guarded(self) -> None:
        """Call every guard, which raises if this run may not change anything now."""
        for guard in self.guards:
            guard()

    def _end(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.write("end", _line(entry))

    @contextmanager
    def temporary(self, name: str, *, removes: bool = False) -> Iterator[None]:
        """Mark the acts in this block as work on a temporary object of this run.

        `name` is the same for all acts on it, such as `pod/NAME`; `removes` marks the block that removes it.
        After that, these acts count as no change.
        """
        before, self._temporary = self._temporary, (name, removes)
        try:
            yield
        finally:
            self._temporary = before

    @property
    def changes(self) -> Changes:
        """What this run has changed so far."""
        return changes_of(self.begun, [_line(entry) for entry in self.entries])

    def checks(
        self, stage: Stage, title: str, items: Sequence[Mapping[str, Any]], *, depends_on: Sequence[str] = ()
    ) -> None:
        """Record a table of checks, each with `ok`, `advice` and `informs`.

        `stage`: at the gate before a change, verified after it, or judged at the end. `depends_on`: titles of
        changes that were only planned; the failed checks may need them and are not judged.
        """
        held = [item for item in items if not item.get("informs")]
        failed = [item for item in held if not item["ok"] and not item.get("advice")]
        names = tuple(str(item["name"]) for item in failed)
        passed = sum(bool(item["ok"]) for item in held)
        self.checked.append(
            Checked(stage, title, passed, len(held), len(items) - len(held), names, tuple(depends_on))
        )
        line = {"stage": stage, "title": title, "items": items, "depends_on": list(depends_on)}
        self.write("checks", line)

    def plan(self, title: str, content: Mapping[str, Any] | None = None) -> None:
        """Record that a plan-only run would have made a change, and its content: steps, diff, undo."""
        self.planned.append(title)
        self.write("planned", {"title": title, **(content or {})})

    def applied(self, title: str, undo: str, *, since: int) -> None:
        """Record that a change was applied, and how to undo it.

        `since`: number of acts that had begun before its first one.
        """
        line = {"title": title, "undo": undo, "acts": [str(act["at"]) for act in self.begun[since:]]}
        self._applied.append(line)
        self.write("applied", line)

    @property
    def undo(self) -> tuple[tuple[str, str], ...]:
        """Title and undo text of each change that is still in effect."""
        return undo_of(self._applied, self.changes)

    def facts(self, **facts: Any) -> None:
        """Record facts of the whole run: cluster, context, namespace."""
        self.write("facts", facts)

    def figure(self, name: str, value: Any) -> None:
        """Record a measured figure as numbers; a later one of that name takes its place."""
        self.write("facts", {f"{FIGURE}{name}": value})

    def server(self, pod: str, **facts: Any) -> None:
        """Record a server that this run worked on: image, version, role, system identifier."""
        self.write("server", {"pod": pod, **facts})

    def phase(self, name: str, seconds: float) -> None:
        """Record how long a phase took, in seconds."""
        self.write("phase", {"name": name, "seconds": round(seconds, 3)})

    def finished(self) -> None:
        """Record that the notebook reached its last cell."""
        self.write("finished", {"at": datetime.now(UTC).isoformat(), "dry_run": self.dry_run})
        self.reached_end = True
        for end in self.at_finish:
            end()

    def write(self, kind: Kind, content: Mapping[str, Any]) -> None:
        """Append one line; it is in the file when this returns."""
        if self.elsewhere is not None:
            self.path, self.elsewhere, self.reached_end = self.elsewhere(), None, False
        if self.path is None:
            return
        line = json.dumps(without_secrets({"kind": kind, **content}), ensure_ascii=False, default=str)
        with open(self.path, "a", encoding="utf-8", opener=private_opener) as file:
            file.write(line + "\n")
            if kind in _MUST_LAST:
                file.flush()
                os.fsync(file.fileno())

    @property
    def table(self) -> Table:
        """The changes of this run, one act a line; times in this machine's zone."""
        rows = [
            (
                e.at.astimezone().strftime("%m-%d %H:%M:%S"),
                e.target,
                e.what,
                _result_cell(e),
                format_duration(e.seconds),
            )
            for e in self.entries
        ]
        note = "" if rows else "Nothing was changed."
        return Table.of(
            (datetime.now().astimezone().tzname() or "time", "target", "what", "result", "took"),
            rows,
            title="Journal",
            note=note,
        )


_OPENED: list[ref[Journal]] = []


def opened() -> tuple[Journal, ...]:
    """Return the journals of this process that were opened from its environment and are still in use."""
    return tuple(journal for one in _OPENED if (journal := one()) is not None)


def _line(entry: Entry) -> dict[str, Any]:
    return asdict(entry) | {"at": entry.at.isoformat()}


def _result_cell(entry: Entry) -> Cell:
    return Cell(entry.result, "" if entry.ok else "bad")


def _first_line(error: BaseException) -> str:
    """Return an error's first line with its notes.

    After an interrupt, a note is the only place in a record that says what was restored.
    """
    text = str(error).strip()
    words = f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
    return ". ".join((words, *getattr(error, "__notes__", ())))
