"""Records in a store: one chain a target, whoever pushes, and whenever one of them dies."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pgnb.core.errors import ParameterError, RecordError
from pgnb.fleet.objects import Objects
from pgnb.fleet.store import Entry, RecordStore, TargetStore
from pgnb.runbook.chain import seal_of
from pgnb.runbook.record import Record, read_record
from pgnb.runbook.records import Archive
from pgnb.runbook.verdict import Verdict
from tests.unit.fleet.runs import sealed, server

_TOGETHER = 3
_HERE = Path(__file__).parents[3]
"""Where a worker of its own process finds this package."""


def worker(store: TargetStore, folder: Path) -> Archive:
    """An archive that continues the target's chain, as a pod has it."""
    store.adopt(folder)
    return Archive(folder)


def names(entries: list[Entry]) -> list[str]:
    return [entry.name for entry in entries]


def assert_whole(store: TargetStore, folder: Path, expected: set[str]) -> None:
    """The chain has these records and no fault, in the store and as a copy of it."""
    assert store.verify(files=True) == []
    assert set(names(store.index())) == expected
    assert store.pull(folder) == len(expected)
    assert Archive(folder).verify() == []
    assert {record.name for record in Archive(folder).all()} == expected


def test_a_record_is_stored_with_every_file_and_copied_back(url, tmp_path):
    store = RecordStore.at(url).target("shop")
    archive = worker(store, tmp_path / "pod")
    record = sealed(archive, "10_monitoring", journal=server, verdict=Verdict.FAILED, error="it broke\nbadly")
    assert store.push(archive, record) == record
    (entry,) = store.index()
    assert (entry.number, entry.seal, entry.previous, entry.name) == (1, record.seal, "", record.name)
    assert (entry.notebook, entry.verdict, entry.error) == ("10_monitoring", "failed", "it broke")
    assert entry.servers == (
        {
            "pod": "primary-0",
            "postgresql": "17.6",
            "role": "primary",
            "system_identifier": "7",
            "timeline": 1,
        },
    )
    assert entry.figures["versions"] == ["17.6"]
    assert RecordStore.at(url).targets() == ["shop"]
    assert_whole(store, tmp_path / "copy", {record.name})
    assert (tmp_path / "copy" / record.name / "pages" / "one.html").read_text() == f"<p>{record.name}</p>"
    assert store.pull(tmp_path / "copy") == 0


def test_an_archive_goes_on_where_the_store_s_chain_ended(url, tmp_path):
    store = RecordStore.at(url).target("shop")
    store.adopt(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    first = worker(store, tmp_path / "first")
    stored = [store.push(first, sealed(first)) for _ in range(2)]
    second = worker(store, tmp_path / "second")
    assert second.head() == (2, stored[-1].seal)
    record = sealed(second)
    assert (record.number, record.previous) == (3, stored[-1].seal)
    assert store.push(second, record) == record
    assert_whole(store, tmp_path / "copy", {one.name for one in (*stored, record)})


def test_what_later_runs_ask_of_earlier_ones_is_brought_along(url, tmp_path):
    def change(journal):
        with journal.act("pod/primary-0", "reload the configuration"):
            pass

    store = RecordStore.at(url).target("shop")
    first = worker(store, tmp_path / "first")
    changed = store.push(first, sealed(first, "06_online_changes", journal=change))
    store.push(first, sealed(first, "10_monitoring"))
    monitored = store.push(first, sealed(first, "10_monitoring", journal=write_samples))
    store.push(first, sealed(first, "10_monitoring", journal=write_samples, verdict=Verdict.FAILED))
    second = worker(store, tmp_path / "second")
    assert {record.name for record in second.read()[0]} == {changed.name, monitored.name}
    assert (second.path(monitored) / "samples.csv").read_text() == "t,lag\n0,1\n"
    assert sealed(second).number == 5


def write_samples(journal) -> None:
    (journal.path.parent / "samples.csv").write_text("t,lag\n0,1\n", "utf-8")


def test_whoever_is_overtaken_is_chained_anew_on_top_of_the_winner(url, tmp_path):
    store = RecordStore.at(url).target("shop")
    slow, fast = worker(store, tmp_path / "slow"), worker(store, tmp_path / "fast")
    late, early = sealed(slow), sealed(fast)
    assert late.number == early.number == 1
    won = store.push(fast, early)
    stored = store.push(slow, late)
    assert (stored.number, stored.previous) == (2, won.seal)
    assert stored.seal == seal_of(stored)
    assert read_record(slow.path(late) / "record.json") == stored
    assert slow.head() == (2, stored.seal)
    assert sealed(slow).number == 3
    assert_whole(store, tmp_path / "copy", {won.name, stored.name})


def test_a_record_that_was_not_pushed_in_its_turn_is_chained_after_the_others(url, tmp_path):
    store = RecordStore.at(url).target("shop")
    archive = worker(store, tmp_path / "pod")
    first, second, third = (sealed(archive) for _ in range(3))
    assert [store.push(archive, one).number for one in (second, third, first)] == [1, 2, 3]
    assert_whole(store, tmp_path / "copy", {first.name, second.name, third.name})


def test_the_same_record_is_stored_once(url, tmp_path):
    store = RecordStore.at(url).target("shop")
    archive = worker(store, tmp_path / "pod")
    record = sealed(archive)
    assert store.push(archive, record) == store.push(archive, record)
    assert len(store.index()) == 1


def test_only_a_sealed_record_is_stored(url, tmp_path):
    archive = Archive(tmp_path / "pod")
    running = archive.open(Path("00_overview.ipynb").absolute(), {})
    with pytest.raises(RecordError, match="is not sealed"):
        RecordStore.at(url).target("shop").push(archive, running)


def test_another_run_s_record_of_the_same_name_is_not_overwritten(url, tmp_path):
    store = RecordStore.at(url).target("shop")
    one, other = worker(store, tmp_path / "one"), worker(store, tmp_path / "other")
    record = sealed(one)
    same = sealed(other)
    other.path(same).rename(other.folder / record.name)
    twin = other.seal(replace(same, name=record.name, host="another"))
    store.push(one, record)
    with pytest.raises(RecordError, match="another record of the name"):
        store.push(other, twin)
    assert store.verify(files=True) == []


class Died(Exception):
    """The worker was ended."""


class Dying:
    """Objects that end their worker at a step: before or after one object was written."""

    def __init__(self, objects: Objects, step: int, *, after: bool) -> None:
        self._objects, self._step, self._after = objects, step, after
        self.written: list[str] = []

    def _reached(self, name: str, *, after: bool) -> None:
        if not after:
            self.written.append(name)
        if len(self.written) == self._step and after == self._after:
            raise Died(name)

    def write(self, contents: Mapping[str, bytes]) -> None:
        for name, content in contents.items():
            self._reached(name, after=False)
            self._objects.write({name: content})
            self._reached(name, after=True)

    def create(self, name: str, content: bytes) -> bool:
        self._reached(name, after=False)
        created = self._objects.create(name, content)
        self._reached(name, after=True)
        return created

    def assert_exclusive(self, name: str, content: bytes) -> None:
        Objects.assert_exclusive(self, name, content)  # type: ignore[arg-type]

    _exclusive = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._objects, name)


def dying(url: str, step: int, *, after: bool) -> tuple[TargetStore, Dying]:
    objects = Dying(Objects.at(url), step, after=after)
    return TargetStore(objects, "shop"), objects  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("new_url", "after", "overtaken"),
    [
        *(("file", after, overtaken) for after in (False, True) for overtaken in (False, True)),
        pytest.param("s3", False, True, marks=pytest.mark.long),
        pytest.param("s3", True, False, marks=pytest.mark.long),
    ],
    indirect=["new_url"],
)
def test_a_push_that_dies_at_any_step_leaves_a_whole_chain(new_url, tmp_path, after, overtaken):
    for step in itertools.count(1):
        url, room = new_url(), tmp_path / f"{step}"
        store = RecordStore.at(url).target("shop")
        stored = {store.push(earlier, sealed(earlier)).name for earlier in [worker(store, room / "earlier")]}
        victim, other = worker(store, room / "victim"), worker(store, room / "other")
        record = sealed(victim)
        if overtaken:
            stored.add(store.push(other, sealed(other)).name)
        mortal, objects = dying(url, step, after=after)
        try:
            mortal.push(victim, record)
            died = False
        except Died:
            died = True
        seen = names(RecordStore.at(url).entries()["shop"])
        claimed = any("/chain/0000000" in name and name > "shop/chain/00000001" for name in objects.written)
        assert set(seen) - stored <= {record.name}
        assert (record.name in seen) <= claimed
        assert_whole_or_late(store, room / "meanwhile", set(seen))
        stored.add(store.push(other, sealed(other)).name)
        assert_whole(store, room / "without", stored | set(seen))
        stored.add(store.push(victim, record).name)
        assert_whole(store, room / "with", stored)
        if not died:
            assert step > 8
            return


def assert_whole_or_late(store: TargetStore, folder: Path, expected: set[str]) -> None:
    """As assert_whole, with an index or a head that may not show the newest record yet."""
    assert store.verify(files=True) == []
    assert store.pull(folder) == len(expected)
    assert Archive(folder).verify() == []


def test_a_worker_that_is_killed_leaves_no_half_written_file(tmp_path):
    url = f"file://{tmp_path}/store"
    code = (
        "import os, sys; from pathlib import Path\n"
        "from pgnb.fleet import objects\n"
        "from tests.unit.fleet.pushing import main\n"
        "link = os.link\n"
        "def once(part, place):\n"
        "    if place.endswith('/chain/00000001.json'): os._exit(9)\n"
        "    link(part, place)\n"
        "objects.os.link = once\n"
        "main(*sys.argv[1:])\n"
    )
    argv = [sys.executable, "-c", code, url, "shop", str(tmp_path / "killed"), "1"]
    assert subprocess.run(argv, cwd=_HERE, check=False).returncode == 9
    store = RecordStore.at(url).target("shop")
    assert store.index() == [] and store.verify(files=True) == []
    archive = worker(store, tmp_path / "next")
    assert_whole(store, tmp_path / "copy", {store.push(archive, sealed(archive)).name})


def test_an_index_that_a_slower_run_overwrote_is_written_again(new_url, tmp_path):
    """The slower one stops between its entry and its index, and goes on after the faster one was through."""
    url = new_url()
    store = RecordStore.at(url).target("shop")
    slow, fast = worker(store, tmp_path / "slow"), worker(store, tmp_path / "fast")
    waiting, quick, pushed = sealed(slow), sealed(fast), []

    class Overtaken(Dying):
        def write(self, contents: Mapping[str, bytes]) -> None:
            if "shop/index.jsonl" in contents and not pushed:
                pushed.append(store.push(fast, quick))
            super().write(contents)

    objects = Overtaken(Objects.at(url), -1, after=False)
    first = TargetStore(objects, "shop").push(slow, waiting)  # type: ignore[arg-type]
    assert [first.number, pushed[0].number] == [1, 2]
    assert Objects.at(url).read(["shop/head"])["shop/head"] == f"2 {pushed[0].seal}\n".encode()
    assert len(Objects.at(url).read(["shop/index.jsonl"])["shop/index.jsonl"].splitlines()) == 2
    assert_whole(store, tmp_path / "copy", {waiting.name, quick.name})


def test_an_answer_that_got_lost_does_not_store_a_record_twice(url, tmp_path):
    """The driver asks again, and is told that the object is there: it is its own."""
    store = RecordStore.at(url).target("shop")
    archive = worker(store, tmp_path / "pod")

    class Deaf(Dying):
        def create(self, name: str, content: bytes) -> bool:
            super().create(name, content)
            return self._objects.create(name, content)

    objects = Deaf(Objects.at(url), -1, after=False)
    record = TargetStore(objects, "shop").push(archive, sealed(archive))  # type: ignore[arg-type]
    assert record.number == 1
    assert_whole(store, tmp_path / "copy", {record.name})


def test_threads_never_fork_the_chain(url, tmp_path):
    def work(number: int) -> list[Record]:
        store = RecordStore.at(url).target("shop")
        archive = worker(store, tmp_path / f"pod-{number}")
        return [store.push(archive, sealed(archive)) for _ in range(2)]

    with ThreadPoolExecutor(_TOGETHER) as pool:
        stored = [record for some in pool.map(work, range(_TOGETHER)) for record in some]
    assert sorted(record.number for record in stored) == list(range(1, 2 * _TOGETHER + 1))
    store = RecordStore.at(url).target("shop")
    by_name = {entry.name: entry.seal for entry in store.index()}
    assert by_name == {record.name: record.seal for record in stored}
    assert_whole(store, tmp_path / "copy", set(by_name))


def test_processes_never_fork_the_chain(url, tmp_path):
    module = [sys.executable, "-m", "tests.unit.fleet.pushing", url, "shop"]
    workers = [subprocess.Popen([*module, str(tmp_path / f"pod-{n}"), "3"], cwd=_HERE) for n in range(2)]
    assert [process.wait(300) for process in workers] == [0, 0]
    store = RecordStore.at(url).target("shop")
    entries = store.index()
    assert [entry.number for entry in entries] == list(range(1, 7))
    assert_whole(store, tmp_path / "copy", set(names(entries)))


def test_all_targets_are_read_at_once_and_a_damaged_one_is_named(url, tmp_path):
    store = RecordStore.at(url)
    assert store.targets() == [] and store.entries() == {}
    for name in ("shop", "billing", "stock"):
        archive = worker(store.target(name), tmp_path / name)
        for _ in range(2):
            store.target(name).push(archive, sealed(archive))
    assert {name: len(some) for name, some in store.entries().items()} == {
        "billing": 2,
        "shop": 2,
        "stock": 2,
    }
    objects = Objects.at(url)
    objects.write({"billing/index.jsonl": b"not an entry\n"})
    first = store.target("shop").index()[0]
    objects.write({"shop/index.jsonl": first.line})  # Late: the chain has one more.
    objects.write({"stock/head": b"7 0123\n"})
    found, faults = store.read()
    assert {name: len(some) for name, some in found.items()} == {"shop": 2}
    assert "billing is damaged after record 0" in faults["billing"]
    assert "the head of stock names a record that its chain does not have" in faults["stock"]


def test_a_damaged_chain_is_not_continued(url, tmp_path):
    store = RecordStore.at(url).target("shop")
    archive = worker(store, tmp_path / "pod")
    store.push(archive, sealed(archive))
    Objects.at(url).write({"shop/head": b"2 0123\n"})
    with pytest.raises(RecordError, match="names a record that its chain does not have"):
        store.adopt(tmp_path / "next")
    with pytest.raises(RecordError, match="names a record that its chain does not have"):
        store.push(archive, sealed(archive))


def stored_three(url: str, tmp_path: Path) -> tuple[TargetStore, Objects, list[Entry]]:
    store = RecordStore.at(url).target("shop")
    archive = worker(store, tmp_path / "pod")
    for _ in range(3):
        store.push(archive, sealed(archive))
    assert store.verify(files=True) == []
    return store, Objects.at(url), store.index()


def test_a_changed_file_and_a_changed_record_are_found(url, tmp_path):
    store, objects, entries = stored_three(url, tmp_path)
    objects.write({f"shop/{entries[0].name}/notebook.ipynb": b"[]", f"shop/{entries[0].name}/more": b""})
    path = f"shop/{entries[1].name}/record.json"
    content = json.loads(objects.read([path])[path])
    objects.write({path: json.dumps(content | {"verdict": "failed"}).encode()})
    assert store.verify() == []
    assert store.verify(files=True) == [
        f"{entries[0].name}: notebook.ipynb was changed after it was sealed",
        f"{entries[0].name}: more was added after it was sealed",
        f"{entries[1].name}: record.json was changed after it was stored",
    ]


def test_a_changed_index_and_a_chain_made_anew_are_found(url, tmp_path):
    store, objects, entries = stored_three(url, tmp_path)
    other = replace(entries[1], verdict="failed")
    whole = [entry.line for entry in entries]
    objects.write({"shop/index.jsonl": b"".join([whole[0], other.line, whole[2]])})
    assert store.verify() == ["index.jsonl: line 2 is not chain/00000002.json: one of them was changed"]
    objects.write({"shop/index.jsonl": b"".join(whole), "shop/chain/00000002.json": other.line})
    assert store.verify() == ["index.jsonl: line 2 is not chain/00000002.json: one of them was changed"]
    objects.write({"shop/chain/00000002.json": replace(other, seal="0" * 64).line})
    assert any("does not follow it" in fault for fault in store.verify())


def test_a_removed_entry_is_found(tmp_path):
    url = f"file://{tmp_path}/store"
    store, _, _ = stored_three(url, tmp_path)
    (tmp_path / "store/shop/chain/00000003.json").unlink()
    faults = store.verify()
    assert "index.jsonl: has 3 records, the chain 2: one was removed" in faults
    assert any("the head of shop names a record" in fault for fault in faults)
    (tmp_path / "store/shop/chain/00000001.json").unlink()
    assert "an entry of the chain is missing" in store.verify()


def test_an_index_that_was_lost_is_made_from_the_chain(tmp_path):
    url = f"file://{tmp_path}/store"
    store, _, entries = stored_three(url, tmp_path)
    (tmp_path / "store/shop/index.jsonl").unlink()
    (tmp_path / "store/shop/head").unlink()
    assert store.index() == entries
    archive = worker(store, tmp_path / "next")
    record = store.push(archive, sealed(archive))
    assert record.number == 4
    assert_whole(store, tmp_path / "copy", {*names(entries), record.name})


def test_records_of_another_chain_are_not_mixed_with_a_copy(url, tmp_path):
    store, _, _ = stored_three(url, tmp_path)
    mine = Archive(tmp_path / "mine")
    sealed(mine)
    with pytest.raises(RecordError, match="holds records that are not those of shop"):
        store.pull(mine.folder)


@pytest.mark.parametrize("name", ["../../outside", "/etc/outside", "a/../../../outside"])
def test_a_stored_record_cannot_write_outside_of_its_copy(tmp_path, name):
    url = f"file://{tmp_path}/store"
    store, objects, entries = stored_three(url, tmp_path)
    path = f"shop/{entries[0].name}/record.json"
    content = json.loads(objects.read([path])[path])
    objects.write({path: json.dumps(content | {"files": {name: "0" * 64}}).encode()})
    with pytest.raises(RecordError, match="names a file outside of its folder"):
        store.pull(tmp_path / "copy" / "deeper")
    assert not list(tmp_path.rglob("outside"))


def test_an_entry_cannot_name_a_folder_outside(tmp_path):
    url = f"file://{tmp_path}/store"
    _, objects, entries = stored_three(url, tmp_path)
    for name in ("../escape", ".hidden", "a/b", ""):
        objects.write({"shop/index.jsonl": replace(entries[0], name=name).line})
        with pytest.raises(RecordError, match="damaged after record 0"):
            RecordStore.at(url).target("shop").index()


def test_a_file_s_store_is_its_owner_s(tmp_path):
    stored_three(f"file://{tmp_path}/store", tmp_path)
    store = tmp_path / "store"
    assert not [path for path in store.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert not [path for path in (store, *store.rglob("*")) if path.is_dir() and path.stat().st_mode & 0o077]
    assert not list(store.rglob("*.part"))


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a b"])
def test_a_target_s_name_is_a_folder_s(tmp_path, name):
    with pytest.raises(ParameterError, match="a target's name is a folder"):
        RecordStore.at(f"file://{tmp_path}").target(name)


def test_an_entry_is_the_same_after_it_was_read(tmp_path):
    archive = Archive(tmp_path)
    entry = Entry.of(sealed(archive, journal=server), {"lag": {"bytes": 1.5}, "drift": ["ä\n"]})
    assert Entry.read(entry.line) == entry
    later = json.loads(entry.line) | {"added by a later version": 1}
    assert Entry.read(json.dumps(later).encode()) == entry
    assert asdict(entry)["servers"]


def test_a_store_that_overwrites_what_is_there_is_refused(new_bucket, tmp_path):
    store = RecordStore.at(new_bucket("careless")).target("shop")
    archive = worker(store, tmp_path / "pod")
    with pytest.raises(RecordError, match="cannot keep a chain of records") as refused:
        store.push(archive, sealed(archive))
    assert "If-None-Match" in refused.value.found
    assert store.index() == []


def test_a_record_whose_file_is_gone_is_not_stored(tmp_path):
    store = RecordStore.at(f"file://{tmp_path}/store").target("shop")
    archive = worker(store, tmp_path / "pod")
    record = sealed(archive)
    (archive.path(record) / "notebook.ipynb").unlink()
    with pytest.raises(RecordError, match="cannot be read, so that its record cannot be stored"):
        store.push(archive, record)
    assert store.index() == []
