"""The head of the chain, kept outside of the archive: a file elsewhere, a git note, a namespace's annotation.

Whoever may write the archive can make the whole chain anew. The number and seal of a record that were kept
where that person can't write show it, the more so with a signature.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pgnb.core.errors import ParameterError, RecordError
from pgnb.runbook import signatures
from pgnb.runbook.records import Archive

ANNOTATION = "pgnb/records-head"
NAMESPACE = "pgnb-head"
"""What the signature is for, by ssh-keygen's word."""
_NOTES = "pgnb"
_PLACES = "file:PATH, git:REPOSITORY or namespace:NAME"


@dataclass(frozen=True)
class Head:
    """Number and seal of a record, when they were written down (UTC), and a signature or ""."""

    number: int
    seal: str
    at: str
    signature: str = ""

    @property
    def signed(self) -> str:
        """The text that is signed."""
        return f"{self.number} {self.seal} {self.at}\n"

    @property
    def line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, line: str, place: str) -> Head:
        """Return the head that a line holds. Raises RecordError."""
        try:
            found = json.loads(line)
            return cls(int(found["number"]), str(found["seal"]), str(found["at"]), str(found["signature"]))
        except (ValueError, LookupError, TypeError) as error:
            raise RecordError(f"{place} holds no head of a chain of records", found=line[:80]) from error


def keep(archive: Archive, place: str, key: Path | None = None) -> Head:
    """Write the archive's head down outside of it, signed with an SSH key if one is given; return it.

    `place`: file:PATH, git:REPOSITORY (a note of its HEAD, in refs/notes/pgnb) or namespace:NAME (an
    annotation; the login must be allowed to patch the namespace). Raises RecordError, ParameterError.
    """
    number, seal = archive.head()
    if not number:
        raise RecordError(f"there is no sealed record in {archive.folder}")
    head = Head(number, seal, datetime.now(UTC).isoformat(timespec="seconds"))
    if key is not None:
        head = replace(head, signature=signatures.sign(head.signed, key, NAMESPACE))
    kind, _, where = place.partition(":")
    _writer(kind, place)(where, head.line)
    return head


def against(archive: Archive, place: str, signers: Path | None = None) -> tuple[str, str]:
    """Hold the archive against a head that was kept outside; return what it was held against, and the fault.

    The fault is "" when the chain still has that record. With `signers` the signature must be that of
    somebody in that allowed_signers file. Raises RecordError where nothing, or nothing signed, is kept there.
    """
    kind, _, where = place.partition(":")
    head = Head.of(_reader(kind, place)(where), place)
    words = f"{place}: record {head.number}, written down {head.at}"
    if signers is not None:
        words += f", signed by {_signer(head, signers, place)}"
    records = {record.number: record.seal for record in archive.read()[0] if record.seal}
    if records.get(head.number) == head.seal:
        return words, ""
    return (
        words,
        f"record {head.number} has not the seal {head.seal[:16]} that {place} has: the chain was made anew",
    )


def _writer(kind: str, place: str) -> Any:
    return _chosen({"file": _to_file, "git": _to_git, "namespace": _to_namespace}, kind, place)


def _reader(kind: str, place: str) -> Any:
    return _chosen({"file": _from_file, "git": _from_git, "namespace": _from_namespace}, kind, place)


def _chosen(ways: Mapping[str, Any], kind: str, place: str) -> Any:
    if kind not in ways:
        raise ParameterError(f"a head cannot be kept at {place!r}", remedy=f"Write {_PLACES}.")
    return ways[kind]


def _to_file(where: str, line: str) -> None:
    try:
        Path(where).expanduser().write_text(f"{line}\n", "utf-8")
    except OSError as error:
        raise RecordError(f"{where} cannot be written", found=error.strerror or str(error)) from error


def _from_file(where: str) -> str:
    try:
        return Path(where).expanduser().read_text("utf-8").strip()
    except OSError as error:
        raise RecordError(f"{where} cannot be read", found=error.strerror or str(error)) from error


def _to_git(where: str, line: str) -> None:
    _git(where, "notes", f"--ref={_NOTES}", "add", "--force", "--message", line)


def _from_git(where: str) -> str:
    """The note of the newest commit that has one: HEAD may have gone on since."""
    noted = {line.split()[1] for line in _git(where, "notes", f"--ref={_NOTES}", "list").splitlines()}
    for commit in _git(where, "rev-list", "HEAD").splitlines():
        if commit in noted:
            return _git(where, "notes", f"--ref={_NOTES}", "show", commit).strip()
    raise RecordError(f"no commit of {where} has a note in refs/notes/{_NOTES}")


def _git(where: str, *argv: str) -> str:
    command = ["git", "-C", str(Path(where or ".").expanduser()), *argv]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise RecordError(
            "there is no git on this machine", remedy=f"Install git, or name another place: {_PLACES}."
        ) from error
    if done.returncode:
        raise RecordError(f"git {argv[0]} failed in {where or '.'}", found=done.stderr.strip())
    return done.stdout


def _to_namespace(where: str, line: str) -> None:
    cluster = _cluster(where)
    cluster.journal.dry_run = False  # This annotation only; nothing that a run would change.
    cluster.patch(
        "namespaces", where, {"metadata": {"annotations": {ANNOTATION: line}}}, "keep the records' head"
    )


def _from_namespace(where: str) -> str:
    found = _cluster(where).get("namespaces", where) or {}
    line = ((found.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION)
    if not line:
        raise RecordError(f"the namespace {where} has no annotation {ANNOTATION}")
    return str(line)


def _cluster(namespace: str) -> Any:
    from pgnb.cluster import connect  # Loads the Kubernetes client.

    return connect("", "", namespace, dry_run=True)


def _signer(head: Head, signers: Path, place: str) -> str:
    """Return who signed the head. Raises RecordError if nobody in the file did."""
    who = signatures.signers_of(head.signature, signers, NAMESPACE)
    if who and signatures.holds(head.signed, head.signature, signers, NAMESPACE, who[0]):
        return who[0]
    raise RecordError(
        f"the signature of the head at {place} is nobody's in {signers}",
        found="no signature" if not head.signature else "another key, or another text",
    )
