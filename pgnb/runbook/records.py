"""The archive of executed notebooks: one folder a run, chained by hashes.

A record holds the executed notebook, its HTML page, its plots, the journal, and `record.json`: who, when,
from which commit, with which parameters, on which cluster and servers, the verdict, and the hash of the
record before it. A record is open while its run goes on and sealed when it ends; a run that was killed is
sealed by whoever looks next.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pgnb.errors import RecordError
from pgnb.runbook import verdict as judgement
from pgnb.runbook.verdict import Verdict

FOLDER_VARIABLE = "PGNB_RECORDS"
_SEALED_FILES = (
    "notebook.ipynb",
    "notebook.html",
    "journal.jsonl",
    "error.txt",
    "samples.csv",
    "alerts.yaml",
)


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
    files: Mapping[str, str] = field(default_factory=dict)
    number: int = 0
    previous: str = ""
    seal: str = ""

    @property
    def exit_code(self) -> int:
        """The exit status that this record's verdict stands for."""
        return judgement.EXIT_CODES[Verdict(self.verdict)]


def default_folder() -> Path:
    """`PGNB_RECORDS`, or `records` in the working directory."""
    return Path(os.environ.get(FOLDER_VARIABLE) or "records")


class Archive:
    """The records in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, notebook: Path, parameters: Mapping[str, Any]) -> Record:
        """Begin a record, before the kernel starts. Raises RecordError when it can't be written."""
        now = datetime.now(UTC)
        stem = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z_{notebook.stem}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / stem).mkdir()
            record = _opened(stem, notebook, parameters, now)
            self._write(record)
        except OSError as error:
            raise RecordError(
                f"no record can be written in {self.folder}",
                found=error.strerror or str(error),
                remedy="Free the disk, or name another folder with --records.",
            ) from error
        return record

    def path(self, record: Record) -> Path:
        """The record's folder."""
        return self.folder / record.name

    def seal(self, record: Record) -> Record:
        """End a record: hash its files, chain it to the record before it, and write it once and for all."""
        with self._locked():
            before = [r for r in self._read_all() if r.seal]
            last = max(before, key=lambda r: r.number, default=None)
            files = {
                name: _sha256(path) for name in _SEALED_FILES if (path := self.path(record) / name).exists()
            }
            files |= {plot: _sha256(self.path(record) / plot) for plot in record.plots}
            chained = replace(
                record, files=files, number=last.number + 1 if last else 1, previous=last.seal if last else ""
            )
            sealed = replace(chained, seal=_seal(chained))
            self._write(sealed)
        return sealed

    def all(self) -> list[Record]:
        """Every record, in order; runs whose process is gone without a word are sealed as killed first."""
        for record in self._read_all():
            if not record.seal and not _alive(record.process):
                self.seal(_killed(record, judgement.read(self.path(record) / "journal.jsonl")))
        return sorted(self._read_all(), key=lambda r: (r.number or 1 << 31, r.name))

    def verify(self) -> list[str]:
        """What is wrong with the chain, one sentence a fault; empty when every record can be trusted."""
        faults, previous, expected = [], "", 1
        for record in (r for r in self.all() if r.seal):
            if record.number != expected:
                faults.append(
                    f"{record.name}: is number {record.number}, expected {expected}: one is missing"
                )
            if record.previous != previous:
                faults.append(f"{record.name}: does not follow the record before it")
            if record.seal != _seal(record):
                faults.append(f"{record.name}: record.json was changed after it was sealed")
            faults += self._changed_files(record)
            previous, expected = record.seal, record.number + 1
        return faults

    def _changed_files(self, record: Record) -> Iterator[str]:
        for name, digest in record.files.items():
            path = self.path(record) / name
            if not path.exists():
                yield f"{record.name}: {name} is missing"
            elif _sha256(path) != digest:
                yield f"{record.name}: {name} was changed after it was sealed"

    def _read_all(self) -> list[Record]:
        return [_read(path) for path in sorted(self.folder.glob("*/record.json"))]

    def _write(self, record: Record) -> None:
        path = self.path(record) / "record.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(record), indent=1, ensure_ascii=False, default=str), "utf-8")
        part.replace(path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _opened(name: str, notebook: Path, parameters: Mapping[str, Any], now: datetime) -> Record:
    return Record(
        name=name,
        notebook=notebook.stem,
        started=now.isoformat(timespec="milliseconds"),
        parameters=dict(parameters),
        who=getpass.getuser(),
        host=platform.node(),
        commit=_commit(notebook.parent),
        pgnb=version("pgnb"),
        process=_process(os.getpid()),
    )


def _killed(record: Record, evidence: judgement.Evidence) -> Record:
    return concluded(record, evidence, Verdict.KILLED, error="the run's process ended without a word")


def concluded(
    record: Record,
    evidence: judgement.Evidence,
    verdict: Verdict,
    *,
    error: str = "",
    plots: tuple[str, ...] = (),
) -> Record:
    """A record with its run's end: the verdict and the evidence that it rests on."""
    ended = datetime.now(UTC)
    return replace(
        record,
        verdict=verdict,
        ended=ended.isoformat(timespec="milliseconds"),
        seconds=round((ended - datetime.fromisoformat(record.started)).total_seconds(), 3),
        error=error,
        facts=evidence.facts,
        servers=evidence.servers,
        changes=evidence.changes,
        checks_passed=evidence.passed_checks,
        checks_failed=len(evidence.failed_checks),
        phases=evidence.phases,
        plots=plots,
    )


def _read(path: Path) -> Record:
    try:
        content = json.loads(path.read_text("utf-8"))
        return Record(**(content | {name: tuple(content[name]) for name in ("plots", "phases", "servers")}))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RecordError(f"{path} cannot be read as a record", found=str(error)) from error


def _seal(record: Record) -> str:
    content = json.dumps(asdict(replace(record, seal="")), sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _process(pid: int) -> dict[str, Any]:
    return {"pid": pid, "started": _start_time(pid)}


def _start_time(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]


def _alive(process: Mapping[str, Any]) -> bool:
    return bool(process["started"]) and _start_time(process["pid"]) == process["started"]


def _commit(folder: Path) -> str:
    """The commit that the notebook comes from, with `+changes` when its tree differs from it."""
    head = _git(folder, "rev-parse", "HEAD")
    return f"{head}+changes" if head and _git(folder, "status", "--porcelain") else head


def _git(folder: Path, *argv: str) -> str:
    try:
        done = subprocess.run(["git", *argv], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
