"""One record: what `record.json` keeps of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pgnb.core.errors import RecordError
from pgnb.runbook import verdict as judgement
from pgnb.runbook.verdict import Verdict

_TYPES: Mapping[str, type] = {
    "name": str,
    "notebook": str,
    "who": str,
    "host": str,
    "error": str,
    "seal": str,
    "previous": str,
    "number": int,
    "changes": int,
    "checks_passed": int,
    "checks_failed": int,
    "parameters": dict,
    "facts": dict,
    "process": dict,
    "approval": dict,
    "files": dict,
}


@dataclass(frozen=True)
class Record:
    """One run of one notebook, as `record.json` keeps it; times are UTC, `seconds` the duration."""

    name: str
    notebook: str
    started: str
    parameters: Mapping[str, Any]
    who: str
    host: str
    commit: str
    pgnb: str
    process: Mapping[str, Any]
    verdict: str = Verdict.RUNNING
    ended: str = ""
    seconds: float = 0.0
    error: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    servers: tuple[Mapping[str, Any], ...] = ()
    changes: int = 0
    checks_passed: int = 0
    checks_failed: int = 0
    phases: tuple[Mapping[str, Any], ...] = ()
    plots: tuple[str, ...] = ()
    approval: Mapping[str, Any] = field(default_factory=dict)
    """The approval that this run carried out: of which plan, who asked, who approved; empty without one."""
    files: Mapping[str, str] = field(default_factory=dict)
    number: int = 0
    previous: str = ""
    seal: str = ""

    @property
    def exit_code(self) -> int:
        """The exit status that this record's verdict stands for."""
        return judgement.EXIT_CODES[Verdict(self.verdict)]


def read_record(path: Path) -> Record:
    """Return a record as it stands in its record.json. Raises RecordError for what is none."""
    try:
        return record_of(path.read_bytes())
    except OSError as error:
        raise _unreadable(error) from error


def record_of(text: bytes) -> Record:
    """Return a record as the text of a record.json has it. Raises RecordError for what is none."""
    try:
        content = json.loads(text)
        record = Record(**(content | {name: tuple(content[name]) for name in ("plots", "phases", "servers")}))
        _assert_types(record)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _unreadable(error) from error
    return record


def _unreadable(error: Exception) -> RecordError:
    return RecordError("record.json cannot be read as a record", found=f"{type(error).__name__}: {error}")


def _assert_types(record: Record) -> None:
    """What others rely on: a wrong type is no record."""
    Verdict(record.verdict)
    datetime.fromisoformat(record.started)
    for name, kind in _TYPES.items():
        if not isinstance(getattr(record, name), kind):
            raise TypeError(f"{name} is {type(getattr(record, name)).__name__}")
    if not all(isinstance(one, Mapping) and "pod" in one for one in record.servers):
        raise TypeError("servers holds something else than servers")
