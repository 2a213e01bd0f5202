"""The archive of executed notebooks: one folder a run, chained by hashes.

A record holds the executed notebook, its HTML page, its plots, the journal, and `record.json`: who, when,
from which commit, with which parameters, on which cluster and servers, the verdict, and the hash of the
record before it. A record is open while its run goes on and sealed when it ends; a run that was killed is
sealed by whoever looks next.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pgnb.core.errors import RecordError
from pgnb.core.private import make_private_folder, private_opener
from pgnb.core.process import has_died, this_process, user_name
from pgnb.runbook import chain
from pgnb.runbook import verdict as judgement
from pgnb.runbook.record import Record as Record
from pgnb.runbook.record import read_record
from pgnb.runbook.verdict import Verdict

FOLDER_VARIABLE = "PGNB_RECORDS"
COMMIT_VARIABLE = "PGNB_COMMIT"
HEAD = "head"
"""The file with the newest record's number and seal; keep a copy elsewhere, and a forged archive is found."""


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
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._locked():
                self._head()
            (self.folder / stem).mkdir(mode=0o700)
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
        """End a record: hash its files, chain it to the one before it, and write it once and for all."""
        with self._locked():
            number, previous = self._head()
            files = {name: _sha256(self.path(record) / name) for name in _files_of(self.path(record))}
            for name in files:
                (self.path(record) / name).chmod(0o600)
            return self._chain(replace(record, files=files), number, previous)

    def reseal(self, record: Record, number: int, previous: str) -> Record:
        """Chain a sealed record anew, as the one after record `number` whose seal is `previous`.

        For an archive that continues a chain kept elsewhere, to which somebody else added a record meanwhile.
        What the run left is not read again: the hashes of its files stay those of its end.
        """
        with self._locked():
            return self._chain(record, number, previous)

    def follow(self, number: int, seal: str) -> None:
        """Continue a chain that is kept elsewhere: the next record here follows its record `number`."""
        make_private_folder(self.folder)
        with self._locked():
            self._put_head(number, seal)

    def _chain(self, record: Record, number: int, previous: str) -> Record:
        chained = replace(record, number=number + 1, previous=previous)
        sealed = replace(chained, seal=chain.seal_of(chained))
        self._write(sealed)
        self._put_head(sealed.number, sealed.seal)
        return sealed

    def _put_head(self, number: int, seal: str) -> None:
        _write_text(self.folder / HEAD, f"{number} {seal}\n")

    def all(self) -> list[Record]:
        """Every record that can be read, in order; runs of this machine that died are sealed as killed first.

        A run of another machine, container or user is left as it is: nobody here can know what became of it.
        """
        for record in self.read()[0]:
            if not record.seal and has_died(str(record.process.get("name", ""))):
                self.seal(_killed(record, judgement.read(self.path(record) / "journal.jsonl")))
        return sorted(self.read()[0], key=lambda r: (r.number or 1 << 31, r.name))

    def read(self) -> tuple[list[Record], list[str]]:
        """Every record as it stands, and a sentence for each that cannot be read; changes nothing."""
        records, faults = [], []
        for path in sorted(self.folder.glob("*/record.json")):
            try:
                records.append(read_record(path))
            except RecordError as error:
                faults.append(f"{path.parent.name}: {error.message} ({error.found})")
        return records, faults

    def verify(self, expect: str = "") -> list[str]:
        """What is wrong with the chain, one sentence a fault; empty when none is found. Writes nothing."""
        records, found = self.read()
        return found + chain.faults(self.folder, records, self.head, expect)

    def head(self) -> tuple[int, str]:
        """Number and seal of the newest record, as it was written down when that was sealed; 0 for none."""
        try:
            number, seal = (self.folder / HEAD).read_text("utf-8").split()
            return int(number), seal
        except FileNotFoundError:
            return 0, ""
        except (OSError, ValueError) as error:
            raise RecordError(
                f"{self.folder / HEAD} cannot be read as the newest record's number and seal",
                found=str(error),
                remedy="Look at it, and at `pgnb records verify`; remove it to go on.",
            ) from error

    def _head(self) -> tuple[int, str]:
        """What the next record follows: the head, or in a folder without one the newest that is there."""
        number, seal = self.head()
        last = max((r for r in self.read()[0] if r.seal), key=lambda r: r.number, default=None)
        return (last.number, last.seal) if last and last.number > number else (number, seal)

    def _write(self, record: Record) -> None:
        content = json.dumps(asdict(record), indent=1, ensure_ascii=False, default=str)
        _write_text(self.path(record) / "record.json", content)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self.folder / ".lock", "w", opener=private_opener) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _files_of(folder: Path) -> list[str]:
    """Every file of a record but its record.json, by its path in the record's folder."""
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    return sorted(name for name in files if name not in ("record.json", "record.part"))


def _write_text(path: Path, text: str) -> None:
    """Put a text in a file's place at once, and on the disk before this returns."""
    part = path.with_suffix(".part")
    with open(part, "w", encoding="utf-8", opener=private_opener) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _opened(name: str, notebook: Path, parameters: Mapping[str, Any], now: datetime) -> Record:
    return Record(
        name=name,
        notebook=notebook.stem,
        started=now.isoformat(timespec="milliseconds"),
        parameters=dict(parameters),
        who=user_name(),
        host=platform.node(),
        commit=_commit(notebook.parent),
        pgnb=version("pgnb"),
        process={"pid": os.getpid(), "name": this_process()},
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


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _commit(folder: Path) -> str:
    """The commit that the notebook comes from, with `+changes` when its tree differs from it.

    A container image has no repository, and names the commit of what came with the package by a variable.
    """
    if folder.resolve() == Path(__file__).resolve().parents[1] / "notebooks":
        return os.environ.get(COMMIT_VARIABLE, "")
    head = _git(folder, "rev-parse", "HEAD")
    return f"{head}+changes" if head and _git(folder, "status", "--porcelain") else head


def _git(folder: Path, *argv: str) -> str:
    try:
        done = subprocess.run(["git", *argv], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
