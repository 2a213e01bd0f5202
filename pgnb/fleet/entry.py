"""One line of a target's index: what a report needs to know of a record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from pgnb.core.errors import RecordError
from pgnb.runbook.record import Record
from pgnb.runbook.verdict import EXIT_CODES, Verdict

_OF_A_SERVER = ("pod", "postgresql", "role", "system_identifier", "timeline")
_WIDEST = 400


@dataclass(frozen=True)
class Entry:
    """A stored record: its place in the chain, its run and end, servers, and figures (figures_of).

    `error` is the first line; `servers` have pod, postgresql, role, system_identifier and timeline.
    """

    number: int
    seal: str
    previous: str
    name: str
    notebook: str
    verdict: str
    started: str
    ended: str = ""
    seconds: float = 0.0
    changes: int = 0
    checks_passed: int = 0
    checks_failed: int = 0
    servers: tuple[Mapping[str, Any], ...] = ()
    error: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Record, figures: Mapping[str, Any]) -> Entry:
        """Return the entry of a sealed record."""
        return cls(
            number=record.number,
            seal=record.seal,
            previous=record.previous,
            name=record.name,
            notebook=record.notebook,
            verdict=str(record.verdict),
            started=record.started,
            ended=record.ended,
            seconds=record.seconds,
            changes=record.changes,
            checks_passed=record.checks_passed,
            checks_failed=record.checks_failed,
            servers=tuple({key: one.get(key) for key in _OF_A_SERVER} for one in record.servers),
            error=(record.error.splitlines() or [""])[0][:_WIDEST],
            figures=figures,
        )

    @classmethod
    def read(cls, line: bytes) -> Entry:
        """Return the entry that a line holds; what a later version adds is left out. Raises RecordError."""
        try:
            content = json.loads(line)
            known = {one.name: content[one.name] for one in fields(cls) if one.name in content}
            entry = cls(**known | {"servers": tuple(content.get("servers", ()))})
            entry._assert_types()
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise RecordError(
                "a line of the index cannot be read as a record's", found=f"{type(error).__name__}: {error}"
            ) from error
        return entry

    def _assert_types(self) -> None:
        """What others rely on: a wrong type is no entry, nor is a name that leads out of a folder."""
        Verdict(self.verdict)
        datetime.fromisoformat(self.started)
        if not isinstance(self.number, int) or not isinstance(self.figures, Mapping):
            raise TypeError("a number or the figures have another type")
        if not all(isinstance(text, str) for text in (self.seal, self.previous, self.name, self.notebook)):
            raise TypeError("a text has another type")
        if not all(isinstance(one, Mapping) for one in self.servers):
            raise TypeError("servers holds something else than servers")
        if not self.name or self.name.startswith(".") or "/" in self.name or "\\" in self.name:
            raise ValueError("the name is none of a record")

    @property
    def line(self) -> bytes:
        """One line of JSON with its end."""
        text = json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"), default=str)
        return f"{text}\n".encode()

    @property
    def exit_code(self) -> int:
        """The exit status that the verdict stands for."""
        return EXIT_CODES[Verdict(self.verdict)]

    @property
    def at(self) -> datetime:
        """When the run began."""
        return datetime.fromisoformat(self.started)
