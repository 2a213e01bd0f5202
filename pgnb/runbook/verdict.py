"""What a run amounts to, judged by the journal that it wrote, never by papermill's status.

A kernel that dies, a cell that times out and a `sys.exit(0)` all look completed to papermill; here only a
run that reached its last cell, with every verification passed, is green.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

from pgnb.core.errors import ParameterError
from pgnb.core.journal import FIGURE, Changes, Kind, changes_of, undo_of


class Verdict(StrEnum):
    """The word for a run's end."""

    PASSED = "passed"
    PLANNED = "planned"
    WOULD_STOP = "planned, would stop"
    FAILED = "failed"
    UNREACHABLE = "API unreachable"
    STOPPED = "stopped at a gate"
    STOPPED_LATER = "stopped after changes"
    INCOMPLETE = "incomplete"
    TIMEOUT = "timed out"
    INTERRUPTED = "interrupted"
    KILLED = "killed"
    RUNNING = "running"


EXIT_CODES = {
    Verdict.PASSED: 0,
    Verdict.PLANNED: 0,
    Verdict.FAILED: 1,
    Verdict.STOPPED: 3,
    Verdict.INCOMPLETE: 4,
    Verdict.KILLED: 4,
    Verdict.RUNNING: 4,
    Verdict.TIMEOUT: 5,
    Verdict.STOPPED_LATER: 6,
    Verdict.WOULD_STOP: 7,
    Verdict.UNREACHABLE: 75,
    Verdict.INTERRUPTED: 130,
}
"""Exit status of `pgnb run` by verdict; 2 is bad input, before anything ran. Only 75 (EX_TEMPFAIL of
sysexits.h) may be tried again by a machine.
"""


@dataclass(frozen=True)
class Evidence:
    """What a journal's file holds, sorted by kind."""

    acts: tuple[dict[str, Any], ...]
    opened: tuple[dict[str, Any], ...]
    checks: tuple[dict[str, Any], ...]
    applied: tuple[dict[str, Any], ...]
    planned: tuple[dict[str, Any], ...]
    facts: dict[str, Any]
    servers: tuple[dict[str, Any], ...]
    phases: tuple[dict[str, Any], ...]
    finished: bool
    dry_run: bool

    @property
    def figures(self) -> dict[str, Any]:
        """The measured figures among the facts, by name."""
        return {
            name.removeprefix(FIGURE): value for name, value in self.facts.items() if name.startswith(FIGURE)
        }

    @property
    def begun(self) -> int:
        """How many acts were begun."""
        return len(self.opened)

    @property
    def changes(self) -> int:
        """How many acts changed something for good, or may have."""
        return len(self.changed)

    @property
    def changed(self) -> Changes:
        """What the run changed for good, and what it may have changed."""
        return changes_of(self.opened, self.acts)

    @property
    def undo(self) -> tuple[tuple[str, str], ...]:
        """Title of each change that lasts, and in words how it is taken back."""
        return undo_of(self.applied, self.changed)

    @property
    def failed_checks(self) -> tuple[dict[str, Any], ...]:
        """The checks that failed; at a gate of a plan-only run none did: it would only stop there."""
        return tuple(
            item
            for table in self.checks
            if not (self.dry_run and (table["stage"] == "gate" or table.get("depends_on")))
            for item in _failed(table)
        )

    @property
    def passed_checks(self) -> int:
        """How many checks passed; a line that only informs is none."""
        items = (item for table in self.checks for item in table["items"])
        return sum(1 for item in items if item["ok"] and not item.get("informs"))

    @property
    def would_stop(self) -> tuple[str, ...]:
        """Of a plan-only run: each check of a gate at which an applied run would stop for certain."""
        tables = [one for one in self.checks if one["stage"] == "gate" and not one.get("depends_on")]
        return tuple(
            f"{table['title']}: {item['name']}" for table in tables if self.dry_run for item in _failed(table)
        )

    @property
    def not_judged(self) -> tuple[str, ...]:
        """Of a plan-only run: the tables with failed checks that a planned change may set right."""
        return tuple(str(table["title"]) for table in self.checks if self.dry_run and table.get("depends_on"))


def read(path: Path, *, strict: bool = False) -> Evidence:
    """The evidence in a journal's file; no file is no evidence. A torn last line is left out.

    What follows a line that is none of a journal's is not read; with `strict` it raises ParameterError.
    """
    lines = _lines(path, strict=strict)
    facts: dict[str, Any] = {}
    for line in _of(lines, "facts"):
        facts |= _content(line)
    servers = {line["pod"]: _content(line) for line in _of(lines, "server")}
    ends = [line for line in lines if line["kind"] == "finished"]
    return Evidence(
        acts=_of(lines, "end"),
        opened=_of(lines, "begin"),
        checks=_of(lines, "checks"),
        applied=_of(lines, "applied"),
        planned=_of(lines, "planned"),
        facts=facts,
        servers=tuple(servers.values()),
        phases=_of(lines, "phase"),
        finished=bool(ends),
        dry_run=bool(ends and ends[-1].get("dry_run")),
    )


def _failed(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [item for item in table["items"] if not item["ok"] and not item.get("advice")]


def _content(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "kind"}


def _of(lines: Sequence[dict[str, Any]], kind: str) -> tuple[dict[str, Any], ...]:
    return tuple(line for line in lines if line["kind"] == kind)


def _lines(path: Path, *, strict: bool) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    lines: list[dict[str, Any]] = []
    texts = [text for text in path.read_bytes().split(b"\n") if text.strip()]
    for number, text in enumerate(texts, 1):
        line = _line_of(text)
        if line is None:
            torn = number == len(texts) and bool(lines)  # A run that was killed while it wrote.
            if strict and not torn:
                raise ParameterError(
                    f"{path} is not a journal of pgnb",
                    found=f"line {number} is none of a journal's",
                    remedy="Name the file that PGNB_JOURNAL named, or a record's journal.jsonl.",
                )
            break
        lines.append(line)
    return lines


def _line_of(text: bytes) -> dict[str, Any] | None:
    """A journal's line; None for anything else."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or not _has_its_parts(line):
        return None
    return line


def _has_its_parts(line: Mapping[str, Any]) -> bool:
    kind = str(line.get("kind"))
    if kind not in get_args(Kind) or not all(key in line for key in _PARTS.get(kind, ())):
        return False
    if kind != "checks":
        return True
    items = line["items"]
    return isinstance(items, list) and all(isinstance(i, dict) and {"name", "ok"} <= i.keys() for i in items)


_PARTS: Mapping[str, tuple[str, ...]] = {
    "begin": ("at", "target", "what"),
    "end": ("at", "target", "what", "result", "ok"),
    "checks": ("stage", "title", "items"),
    "server": ("pod",),
    "planned": ("title",),
    "applied": ("title", "undo", "acts"),
}
"""What each kind of line has, as far as it is read here."""


def judge(evidence: Evidence, *, error: str = "", stopped_by: Verdict | None = None) -> Verdict:
    """The verdict on a run that has ended.

    `error` is the name of the exception that a cell raised, `stopped_by` says that the run was ended from
    outside (timed out, interrupted, killed).
    """
    if stopped_by is not None:
        return stopped_by
    if error:
        if error == "ApiUnreachable" and not evidence.changes:
            return Verdict.UNREACHABLE
        if error != "GateClosed":
            return Verdict.FAILED
        return Verdict.STOPPED_LATER if evidence.changes else Verdict.STOPPED
    if not evidence.finished or evidence.begun > len(evidence.acts):
        return Verdict.INCOMPLETE
    if evidence.failed_checks:
        return Verdict.FAILED
    if not evidence.dry_run:
        return Verdict.PASSED
    return Verdict.WOULD_STOP if evidence.would_stop else Verdict.PLANNED
