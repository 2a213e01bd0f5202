"""A worker in a process of its own: `pushing URL TARGET FOLDER COUNT` makes records and stores each."""

from __future__ import annotations

import sys
from pathlib import Path

from pgnb.fleet.store import RecordStore
from pgnb.runbook.records import Archive
from tests.unit.fleet.runs import sealed


def main(url: str, target: str, folder: str, count: str) -> None:
    store, archive = RecordStore.at(url).target(target), Archive(Path(folder))
    store.adopt(archive.folder)
    for _ in range(int(count)):
        store.push(archive, sealed(archive))


if __name__ == "__main__":
    main(*sys.argv[1:])
