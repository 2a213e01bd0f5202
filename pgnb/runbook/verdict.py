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
from typing import Any


class Verdict(StrEnum):
    """The word for a run's end."""

    PASSED = "passed"
    PLANNED = "planned"
    FAILED = "failed"
    STOPPED = "stopped at a gate"
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
    Verdict.INTERRUPTED: 130,
}
"""Exit status of `pgnb run` by verdict; 2 is bad input, before anything ran."""


@dataclass(frozen=True)
class Evidence:
    """What a journal's file holds, sorted by kind."""

    acts: tuple[dict[str, Any], ...]
    begun: int
    checks: tuple[dict[str, Any], ...]
    facts: dict[str, Any]
    servers: tuple[dict[str, Any], ...]
    phases: tuple[dict[str, Any], ...]
    finished: bool
    dry_run: bool

    @property
    def changes(self) -> int:
        """How many acts were carried out with success."""
        return sum(1 for act in self.acts if act["ok"])

    @property
    def failed_checks(self) -> tuple[dict[str, Any], ...]:
        """The checks that should have stopped the run."""
        return tuple(
            item
            for table in self.checks
            for item in table["items"]
            if not item["ok"] and not item["advice"] and not self.dry_run
        )

    @property
    def passed_checks(self) -> int:
        """How many checks passed."""
        return sum(1 for table in self.checks for item in table["items"] if item["ok"])


def read(path: Path) -> Evidence:
    """The evidence in a journal's file; no file is no evidence. A torn last line is left out."""
    lines = _lines(path)
    facts: dict[str, Any] = {}
    for line in _of(lines, "facts"):
        facts |= _content(line)
    servers = {line["pod"]: _content(line) for line in _of(lines, "server")}
    ends = [line for line in lines if line["kind"] == "finished"]
    return Evidence(
        acts=_of(lines, "end"),
        begun=len(_of(lines, "begin")),
        checks=_of(lines, "checks"),
        facts=facts,
        servers=tuple(servers.values()),
        phases=_of(lines, "phase"),
        finished=bool(ends),
        dry_run=bool(ends and ends[-1].get("dry_run")),
    )


def _content(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "kind"}


def _of(lines: Sequence[dict[str, Any]], kind: str) -> tuple[dict[str, Any], ...]:
    return tuple(line for line in lines if line["kind"] == kind)


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


def judge(evidence: Evidence, *, error: str = "", stopped_by: Verdict | None = None) -> Verdict:
    """The verdict on a run that has ended.

    `error` is the name of the exception that a cell raised, `stopped_by` says that the run was ended from
    outside (timed out, interrupted, killed).
    """
    if stopped_by is not None:
        return stopped_by
    if error:
        return Verdict.STOPPED if error == "GateClosed" else Verdict.FAILED
    if not evidence.finished or evidence.begun > len(evidence.acts):
        return Verdict.INCOMPLETE
    if evidence.failed_checks:
        return Verdict.FAILED
    return Verdict.PLANNED if evidence.dry_run else Verdict.PASSED
