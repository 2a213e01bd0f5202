"""A plan record: what a plan-only run would change, as one digest, so that it can be approved and held to.

The digest covers the notebook's code, its parameters, the namespace and the servers, and each change with its
steps and its diff. It leaves out what may differ without changing what is done: times, pods' names, the API
server's address, and how a run was started.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgnb.core.display import diff_text
from pgnb.runbook.records import Archive, Record
from pgnb.runbook.verdict import Evidence, Verdict
from pgnb.runbook.verdict import read as read_evidence

_NOT_WHAT = ("dry_run", "kubeconfig", "context")
"""Parameters that say how a run reaches its target, not what it does there; the target itself is a fact."""
_IDENTITY = ("role", "system_identifier", "postgresql")


@dataclass(frozen=True)
class Plan:
    """What would be changed: `changes` as the journal of a plan-only run keeps them, and on what."""

    notebook: str
    code: str
    parameters: Mapping[str, Any]
    namespace: str
    servers: tuple[Mapping[str, Any], ...]
    changes: tuple[Mapping[str, Any], ...]
    stops: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of everything that an approval covers, in hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def text(self) -> str:
        """What the digest is made of, one fact a line, so that two plans can be compared as a diff."""
        content = {
            "notebook": self.notebook,
            "code": self.code,
            "parameters": dict(self.parameters),
            "namespace": self.namespace,
            "servers": sorted(self.servers, key=str),
            "changes": self.changes,
        }
        return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n"

    def difference(self, other: Plan) -> str:
        """Return how another plan differs from this one, as a unified diff; "" for equal ones."""
        return diff_text(self.text, other.text, "plan") if self.digest != other.digest else ""


def plan_of(archive: Archive, record: Record) -> Plan:
    """Return the plan of a plan-only run's record, read from its journal and its executed notebook."""
    folder = archive.path(record)
    return planned(record, read_evidence(folder / "journal.jsonl"), folder / "notebook.ipynb")


def planned(record: Record, evidence: Evidence, notebook: Path) -> Plan:
    """Return the plan that a run's evidence holds."""
    return Plan(
        record.notebook,
        _code(notebook),
        {key: value for key, value in record.parameters.items() if key not in _NOT_WHAT},
        str(evidence.facts.get("namespace", "")),
        tuple({key: server.get(key) for key in _IDENTITY} for server in evidence.servers),
        tuple(_change(one) for one in evidence.planned),
        evidence.would_stop,
    )


def is_plan(record: Record) -> bool:
    """Whether a record is that of a plan-only run which reached its end."""
    return record.verdict in (Verdict.PLANNED, Verdict.WOULD_STOP)


def beyond(plan: Plan, evidence: Evidence) -> tuple[str, ...]:
    """Return the titles of changes that a run applied and the plan did not have, in their order.

    A plan can't know what depends on its own changes: a workload that is not there yet has no settings.
    """
    known = {str(change["title"]) for change in plan.changes}
    lasting = [one for one in evidence.applied if evidence.changed.at & set(one["acts"])]
    return tuple(dict.fromkeys(str(one["title"]) for one in lasting if str(one["title"]) not in known))


def _change(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in ("kind", "at")}


def _code(notebook: Path) -> str:
    """A hash of the code that was run, without the cell that papermill adds: those values are parameters."""
    try:
        cells: Sequence[Mapping[str, Any]] = json.loads(notebook.read_text("utf-8"))["cells"]
    except (OSError, ValueError, LookupError):
        return ""
    return hashlib.sha256("\n\0\n".join(_sources(cells)).encode()).hexdigest()


def _sources(cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for cell in cells:
        tags = cell.get("metadata", {}).get("tags", ())
        if cell["cell_type"] == "code" and "injected-parameters" not in tags:
            yield "".join(cell["source"]).strip()
