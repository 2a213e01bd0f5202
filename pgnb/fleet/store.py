"""Records in an object store: one folder a target, and a chain a target.

    TARGET/chain/00000042.json    the entry of record 42; whoever creates it has the number
    TARGET/RECORD/…               the record's folder: every file, as it was sealed
    TARGET/index.jsonl            the entries of all records, one a line
    TARGET/head                   number and seal of the newest record

A record is stored from the moment when its entry in `chain` exists. That object is created only if there is
none of that name, after the record's folder is complete; so two runs never have the same number, and nothing
that the chain names is missing. Index and head are copies for readers, and follow in this order. What a push
left that died:

- before the entry exists: a folder that no entry names. It is ignored.
- after that: an entry that index and head do not show yet. Whoever reads or pushes next looks in `chain`
  beyond the index, and whoever pushes writes both anew.

A slower run can overwrite the index with an older one: after its head each looks in `chain` once more, and
writes again what was added meanwhile.

To list, read and write below the URL is all that a login needs; nothing is ever removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

from pgnb.core.errors import ParameterError, RecordError
from pgnb.core.private import make_private_folder, write_private
from pgnb.fleet.entry import Entry as Entry
from pgnb.fleet.figures import figures_of
from pgnb.fleet.objects import Objects
from pgnb.runbook.chain import seal_of
from pgnb.runbook.record import Record, read_record, record_of
from pgnb.runbook.records import Archive
from pgnb.runbook.verdict import Verdict
from pgnb.runbook.verdict import read as read_evidence

INDEX = "index.jsonl"
HEAD = "head"
_CHAIN = "chain"
_RECORD = "record.json"
_SAMPLES = "samples.csv"
_BEGINNING = b'{"kept by":"pgnb"}\n'
"""What chain/00000000.json holds: it is created twice to see that the store refuses that."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STEPS = (1, 8, 64)
"""How many entries beyond the index are asked for at a time: there is rarely one."""
_TURNS = 100
"""How many times a push that was overtaken begins anew."""
_MONITORING = "10_"
_LOOK = "Somebody changed or removed what was stored. Compare with the store's own versions and its log."


class RecordStore:
    """The records of all targets below one URL."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    @classmethod
    def at(cls, url: str) -> RecordStore:
        """Return the store at an s3, gs, abfs or file URL; nothing is asked of it yet.

        Raises ParameterError for another scheme, credentials in the URL, or a missing driver.
        """
        return cls(Objects.at(url))

    @property
    def url(self) -> str:
        """Where the records are."""
        return self._objects.url

    def targets(self) -> list[str]:
        """Return the names of the targets that have a folder. Raises RecordError."""
        return [name for name in self._objects.folders() if _NAME.fullmatch(name)]

    def target(self, name: str) -> TargetStore:
        """Return one target's records, also of one without any. Raises ParameterError for no usable name."""
        if not _NAME.fullmatch(name):
            raise ParameterError(
                "a target's name is a folder in the store",
                found=repr(name),
                remedy="Letters, digits, dots, hyphens and underscores; it begins with a letter or a digit.",
            )
        return TargetStore(self._objects, name)

    def entries(self) -> dict[str, list[Entry]]:
        """Return the entries of every target, the oldest first, without those of targets with faults."""
        return self.read()[0]

    def read(self) -> tuple[dict[str, list[Entry]], dict[str, str]]:
        """Return the entries by target, and a sentence for each target whose index cannot be trusted.

        All indexes are read at the same time, and then what lies beyond each. Raises RecordError.
        """
        names = self.targets()
        contents = self._objects.read([f"{name}/{file}" for name in names for file in (INDEX, HEAD)])
        lines = {name: contents.get(f"{name}/{INDEX}", b"").splitlines(keepends=True) for name in names}
        next_ones = {_place(name, len(found) + 1): name for name, found in lines.items()}
        ahead = {next_ones[place] for place in self._objects.read(list(next_ones))}
        chains: dict[str, list[Entry]] = {}
        faults: dict[str, str] = {}
        for name in names:
            try:
                if name in ahead:
                    chains[name] = self.target(name).index()
                else:
                    chains[name] = _parsed(name, lines[name])
                    _assert_head(name, chains[name], contents.get(f"{name}/{HEAD}"))
            except RecordError as error:
                chains.pop(name, None)
                faults[name] = f"{error.message} ({error.found})"
        return chains, faults


class TargetStore:
    """One target's records, and their chain."""

    def __init__(self, objects: Objects, name: str) -> None:
        self._objects = objects
        self.name = name

    def index(self) -> list[Entry]:
        """Return the entries of every record, the oldest first. Raises RecordError."""
        return _parsed(self.name, self._lines())

    def adopt(self, folder: Path) -> None:
        """Let an archive in `folder` continue this target's chain; nothing for one without records.

        What later runs ask of earlier ones is brought along: the record of each run that changed something
        and of the last one of each notebook that passed, and the last samples of 10. Raises RecordError.
        """
        entries = self.index()
        if not entries:
            return
        wanted = [f"{one.name}/{_RECORD}" for one in _asked_for(entries)]
        wanted += [
            f"{one.name}/{_SAMPLES}" for one in _asked_for(entries) if one.notebook.startswith(_MONITORING)
        ]
        for name, content in self._read(wanted).items():
            make_private_folder((folder / name).parent)
            write_private(folder / name, content)
        Archive(folder).follow(entries[-1].number, entries[-1].seal)

    def push(self, archive: Archive, record: Record) -> Record:
        """Store a sealed record, and return it as it was stored: chained anew if another run was faster.

        A push that failed is made again by the same call. Raises RecordError.
        """
        record = read_record(archive.path(record) / _RECORD)
        if not record.seal:
            raise RecordError(
                f"{record.name} is not sealed", remedy="A record is stored when its run has ended."
            )
        self._objects.assert_exclusive(_place(self.name, 0), _BEGINNING)
        figures = figures_of(read_evidence(archive.path(record) / "journal.jsonl"))
        lines = self._lines()
        for turn in range(_TURNS):
            if _holds(_parsed(self.name, lines), record):
                self._publish(lines)
                return record
            last = Entry.read(lines[-1]) if lines else None
            number, seal = (last.number, last.seal) if last else (0, "")
            if (record.number, record.previous) != (number + 1, seal):
                record = archive.reseal(record, number, seal)
            self._upload(archive, record, whole=not turn)
            self._objects.create(_place(self.name, record.number), Entry.of(record, figures).line)
            # Read again also when it was created: an answer that got lost makes the driver ask twice.
            lines += self._beyond(len(lines))
        raise RecordError(
            f"{record.name} was not stored: other runs of {self.name} were faster {_TURNS} times",
            found=f"{len(lines)} records of {self.name} in {self._objects.url}",
            remedy="See who runs notebooks against the same target all the time, then store it again.",
        )

    def pull(self, folder: Path) -> int:
        """Copy the records that are not in `folder` yet, and the head; return how many there were.

        For `pgnb records show` and `verify`. Raises RecordError for a folder with records of another chain.
        """
        entries = self.index()
        archive = Archive(folder)
        there = {record.name: record.seal for record in archive.read()[0] if record.seal}
        stored = {entry.name: entry.seal for entry in entries}
        if strangers := sorted(name for name, seal in there.items() if stored.get(name) != seal):
            raise RecordError(
                f"{folder} holds records that are not those of {self.name} in {self._objects.url}",
                found=", ".join(strangers[:3]),
                remedy="Name an empty folder.",
            )
        missing = [entry for entry in entries if entry.name not in there]
        for entry in missing:
            self._fetch(entry, folder)
        if entries:
            archive.follow(entries[-1].number, entries[-1].seal)
        return len(missing)

    def verify(self, *, files: bool = False) -> list[str]:
        """Return a sentence for each fault of the chain, the index and the head; with `files` of each file.

        Whoever may write the store can make all of it anew; only a head that was kept elsewhere shows that
        (`pgnb records verify --against`, after pull). Raises RecordError for a store that does not answer.
        """
        content = self._read([INDEX, HEAD])
        indexed = content.get(INDEX, b"").splitlines(keepends=True)
        names = [name for name in self._objects.below(f"{self.name}/{_CHAIN}") if name != _file(0)]
        claimed = self._read([f"{_CHAIN}/{name}" for name in names])
        faults = [f"{_CHAIN}/{name}: not the name of an entry" for name in names if not _is_file(name)]
        chain = [claimed[f"{_CHAIN}/{name}"] for name in names if _is_file(name)]
        expected = [_file(number) for number in range(1, len(chain) + 1)]
        if [name for name in names if _is_file(name)] != expected:
            faults.append("an entry of the chain is missing")
        faults += _differences(indexed, chain)
        try:
            entries = _parsed(self.name, chain)
            _assert_head(self.name, entries, content.get(HEAD))
        except RecordError as error:
            return [*faults, f"{error.message} ({error.found})"]
        return faults + [fault for entry in entries if files for fault in self._file_faults(entry)]

    def _read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return those objects of the target that exist, by their names below it."""
        start = f"{self.name}/"
        found = self._objects.read([f"{start}{name}" for name in names])
        return {name.removeprefix(start): content for name, content in found.items()}

    def _lines(self) -> list[bytes]:
        """The entries as they are stored, also those that the index does not show yet."""
        content = self._read([INDEX, HEAD])
        lines = content.get(INDEX, b"").splitlines(keepends=True)
        lines += self._beyond(len(lines))
        _assert_head(self.name, _parsed(self.name, lines), content.get(HEAD))
        return lines

    def _beyond(self, number: int) -> list[bytes]:
        """The chain's entries after that number."""
        lines: list[bytes] = []
        for step in _widening():
            places = [_place(self.name, number + len(lines) + one) for one in range(1, step + 1)]
            found = self._objects.read(places)
            there = [place in found for place in places]
            whole = there.index(False) if False in there else len(there)
            lines += [found[place] for place in places[:whole]]
            if whole < step:
                break
        return lines

    def _upload(self, archive: Archive, record: Record, *, whole: bool) -> None:
        """Write the record's folder; when it is chained anew, only record.json is another."""
        folder, place = archive.path(record), f"{self.name}/{record.name}"
        content = _local(folder / _RECORD)
        if not whole:
            self._objects.write({f"{place}/{_RECORD}": content})
            return
        if not self._objects.create(f"{place}/{_RECORD}", content):
            there = self._objects.read([f"{place}/{_RECORD}"]).get(f"{place}/{_RECORD}", b"{}")
            if _identity(there) != _identity(content):
                raise RecordError(
                    f"{self.name} has another record of the name {record.name}",
                    found=self._objects.url,
                    remedy="Two runs began in the same millisecond. Run the notebook again.",
                )
            self._objects.write({f"{place}/{_RECORD}": content})
        self._objects.write({f"{place}/{name}": _local(folder / name) for name in record.files})

    def _publish(self, lines: Sequence[bytes]) -> None:
        """Write the index, then the head, until nothing was added to the chain meanwhile."""
        added, known = list(lines), list(lines)
        while added:
            last = Entry.read(known[-1])
            self._objects.write({f"{self.name}/{INDEX}": b"".join(known)})
            self._objects.write({f"{self.name}/{HEAD}": f"{last.number} {last.seal}\n".encode()})
            added = self._beyond(len(known))
            known += added

    def _fetch(self, entry: Entry, folder: Path) -> None:
        """Copy one record; record.json comes last, so that a copy that was broken off is made again."""
        content = self._read([f"{entry.name}/{_RECORD}"]).get(f"{entry.name}/{_RECORD}", b"")
        try:
            record = record_of(content)
        except RecordError as error:
            raise RecordError(
                f"record {entry.number} of {self.name} cannot be copied: {error.message}",
                found=f"{entry.name}: {error.found}",
                remedy="The chain names it, so it was there: look at the store's own versions and its log.",
            ) from error
        names = [_inside(entry.name, name) for name in record.files]
        found = self._read([f"{entry.name}/{name}" for name in names])
        for name, data in found.items():
            make_private_folder((folder / name).parent)
            write_private(folder / name, data)
        make_private_folder(folder / entry.name)
        write_private(folder / entry.name / _RECORD, content)

    def _file_faults(self, entry: Entry) -> Iterator[str]:
        there = self._read(
            [f"{entry.name}/{name}" for name in self._objects.below(f"{self.name}/{entry.name}")]
        )
        found = {name.removeprefix(f"{entry.name}/"): content for name, content in there.items()}
        try:
            record = record_of(found.pop(_RECORD, b""))
        except RecordError as error:
            yield f"{entry.name}: {error.message}"
            return
        if record.seal != entry.seal or seal_of(record) != entry.seal:
            yield f"{entry.name}: record.json was changed after it was stored"
        for name, digest in record.files.items():
            if name not in found:
                yield f"{entry.name}: {name} is missing"
            elif sha256(found[name]).hexdigest() != digest:
                yield f"{entry.name}: {name} was changed after it was sealed"
        for name in sorted(found.keys() - record.files.keys()):
            yield f"{entry.name}: {name} was added after it was sealed"


def _local(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordError(
            f"{path} cannot be read, so that its record cannot be stored", found=error.strerror or str(error)
        ) from error


def _file(number: int) -> str:
    return f"{number:08d}.json"


def _is_file(name: str) -> bool:
    return bool(re.fullmatch(r"\d{8,}\.json", name))


def _place(target: str, number: int) -> str:
    return f"{target}/{_CHAIN}/{_file(number)}"


def _widening() -> Iterator[int]:
    yield from _STEPS
    while True:
        yield _STEPS[-1]


def _parsed(target: str, lines: Sequence[bytes]) -> list[Entry]:
    """Return the entries, each of which must follow the one before it. Raises RecordError."""
    entries: list[Entry] = []
    number, seal = 0, ""
    for line in lines:
        try:
            entry = Entry.read(line)
        except RecordError as error:
            raise RecordError(
                f"the chain of {target} is damaged after record {number}", found=error.found, remedy=_LOOK
            ) from error
        if (entry.number, entry.previous) != (number + 1, seal):
            raise RecordError(
                f"the chain of {target} is damaged after record {number}",
                found=f"record {entry.number}, {entry.name}, does not follow it",
                remedy=_LOOK,
            )
        number, seal = entry.number, entry.seal
        entries.append(entry)
    return entries


def _assert_head(target: str, entries: Sequence[Entry], content: bytes | None) -> None:
    """Raise RecordError for a head that names a record which the chain has not; an older one is late."""
    if content is None:
        return
    number, _, seal = content.decode("utf-8", "replace").strip().partition(" ")
    known = {str(entry.number): entry.seal for entry in entries}
    if known.get(number) != seal:
        raise RecordError(
            f"the head of {target} names a record that its chain does not have",
            found=f"head: record {number[:12]}, the chain has {len(entries)}; one was removed or changed",
            remedy=_LOOK,
        )


def _holds(entries: Sequence[Entry], record: Record) -> bool:
    """Whether a record is stored. Raises RecordError if another one has its name."""
    same = next((entry for entry in entries if entry.name == record.name), None)
    if same is not None and same.seal != record.seal:
        raise RecordError(
            f"another record of the name {record.name} is stored already",
            found=f"record {same.number} with the seal {same.seal[:16]}",
            remedy="Run the notebook again.",
        )
    return same is not None


def _asked_for(entries: Sequence[Entry]) -> list[Entry]:
    passed = {entry.notebook: entry.number for entry in entries if entry.verdict == Verdict.PASSED}
    return [entry for entry in entries if entry.changes or passed.get(entry.notebook) == entry.number]


def _identity(content: bytes) -> object:
    """What a record says beside its place in the chain; None for what is no record."""
    try:
        return replace(record_of(content), number=0, previous="", seal="")
    except RecordError:
        return None


def _inside(record: str, name: str) -> str:
    """Return a file's name in a record's folder. Raises RecordError for one that leads out of it."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise RecordError(f"{record} names a file outside of its folder", found=repr(name))
    return name


def _differences(indexed: Sequence[bytes], chain: Sequence[bytes]) -> Iterator[str]:
    """Sentences for an index that is not the chain's entries; one that is shorter is only late."""
    for number, (line, entry) in enumerate(zip(indexed, chain, strict=False), 1):
        if line != entry:
            yield f"{INDEX}: line {number} is not {_CHAIN}/{_file(number)}: one of them was changed"
    if len(indexed) > len(chain):
        yield f"{INDEX}: has {len(indexed)} records, the chain {len(chain)}: one was removed"
