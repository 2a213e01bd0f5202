"""Whether an archive is what was sealed, as far as the archive itself, or a seal kept elsewhere, can show.

Every record holds the hash of the one before it, and of its files. That shows accidents and edits of single
records. Whoever may write the folder can make the whole chain anew; only a seal kept elsewhere shows that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from pgnb.core.errors import RecordError
from pgnb.runbook.record import Record

_OWN = ("record.json", "record.part")
APPROVALS = "approvals"
"""The folder of requests and signatures, which are signed, not sealed."""
SHORTEST = 16
"""Characters of a seal that are enough to name it."""


def faults(
    folder: Path, records: Sequence[Record], head: Callable[[], tuple[int, str]], expect: str = ""
) -> list[str]:
    """Return a sentence for each fault of an archive; nothing is written and nothing sealed.

    `expect`: a seal, or its beginning, that was kept elsewhere; the chain must still have that record.
    """
    sealed = sorted((r for r in records if r.seal), key=lambda r: (r.number, r.name))
    found = list(_links(sealed))
    found += _head(head, sealed)
    for record in sealed:
        found += _files(folder / record.name, record)
    found += _strangers(folder)
    if expect and not any(r.seal.startswith(expect.lower()) for r in sealed):
        found.append(f"no record has the seal {expect}: the archive is not the one that it was taken from")
    return found


def seal_of(record: Record) -> str:
    """Return the seal that a record should have: a hash of everything else in it."""
    content = json.dumps(asdict(replace(record, seal="")), sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


def _links(sealed: Sequence[Record]) -> Iterator[str]:
    previous, expected = "", 1
    for record in sealed:
        if record.number != expected:
            yield f"{record.name}: is number {record.number}, expected {expected}: one is missing"
        if record.previous != previous:
            yield f"{record.name}: does not follow the record before it"
        if record.seal != seal_of(record):
            yield f"{record.name}: record.json was changed after it was sealed"
        previous, expected = record.seal, record.number + 1


def _head(head: Callable[[], tuple[int, str]], sealed: Sequence[Record]) -> Iterator[str]:
    try:
        number, seal = head()
    except RecordError as error:
        yield f"{error.message} ({error.found})"
        return
    last = sealed[-1] if sealed else None
    if number and (last is None or (last.number, last.seal) != (number, seal)):
        there = f"number {last.number}" if last else "none"
        yield f"the newest record is {there}, and the file head says {number}: one was removed or changed"


def _files(folder: Path, record: Record) -> Iterator[str]:
    for name, digest in record.files.items():
        path = folder / name
        if not path.is_file():
            yield f"{record.name}: {name} is missing"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            yield f"{record.name}: {name} was changed after it was sealed"
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    for name in sorted(there - set(record.files) - set(_OWN)):
        yield f"{record.name}: {name} was added after it was sealed"


def _strangers(folder: Path) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if (
            path.is_dir()
            and not path.name.startswith(".")
            and path.name != APPROVALS
            and not (path / "record.json").exists()
        ):
            yield f"{path.name}: a folder without a record.json"
