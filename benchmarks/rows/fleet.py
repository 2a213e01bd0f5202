"""The report of a fleet from an object store."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from json import dumps
from unittest.mock import patch

from benchmarks.figures import Figure, in_turn
from benchmarks.ground import Ground, Size
from benchmarks.objectstore import make_bucket, s3_server
from pgnb.fleet.entry import Entry
from pgnb.fleet.objects import Objects
from pgnb.fleet.report import report
from pgnb.fleet.store import RecordStore
from pgnb.runbook.chain import seal_of
from pgnb.runbook.record import Record

_NOTEBOOKS = ("00_overview", "01_prerequisites", "08_troubleshooting", "10_monitoring", "11_practices")
_SAMPLE = 200


def report_of_many(ground: Ground, size: Size) -> Sequence[Figure]:
    """The page of 200 targets with 50 records each, beside reading those records one by one."""
    targets, records = size.many(200), size.many(50)
    with s3_server() as environment, patch.dict(os.environ, environment):
        url = make_bucket("bench-fleet", environment)
        sample = _fill(Objects.at(url), targets, records)[:_SAMPLE]

        def page() -> None:
            report(RecordStore.at(url), "bench")

        def one_by_one() -> None:
            objects = Objects.at(url)
            for name in sample:
                objects.read([name])

        mine, sampled = in_turn(page, one_by_one, size.at_most(5))
    others = [taken * targets * records / len(sample) for taken in sampled]
    what = f"the report of {targets} targets with {records} records each, from S3 to the page"
    note = f"The loop was measured for {len(sample)} records and scaled; the server is moto, on this machine."
    peer = "reading each record.json, one after the other"
    return [Figure("fleet-report", what, peer, mine, others, goal=0.2, note=note)]


def _fill(objects: Objects, targets: int, records: int) -> list[str]:
    """Store every target's chain, index and head as pushes leave them, and the first records themselves.

    Return the names of these records' files: more than are read one by one need not be there.
    """
    names: list[str] = []
    for number in range(targets):
        target = f"target-{number:03d}"
        chain = list(_chain(target, records))
        entries = [Entry.of(record, _figures(record, number)) for record in chain]
        contents = {f"{target}/chain/{one.number:08d}.json": one.line for one in entries}
        if len(names) < _SAMPLE:
            contents |= {f"{target}/{one.name}/record.json": dumps(asdict(one)).encode() for one in chain}
        contents[f"{target}/index.jsonl"] = b"".join(one.line for one in entries)
        contents[f"{target}/head"] = f"{entries[-1].number} {entries[-1].seal}\n".encode()
        objects.write(contents)
        names += [name for name in contents if name.endswith("/record.json")]
    return names


def _chain(target: str, records: int) -> Iterator[Record]:
    previous = ""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(1, records + 1):
        notebook = _NOTEBOOKS[number % len(_NOTEBOOKS)]
        at = began + timedelta(minutes=number)
        server = {"pod": f"{target}-0", "postgresql": "17.6", "role": "primary", "timeline": 1}
        record = Record(
            name=f"{at:%Y%m%dT%H%M%S}.000Z_{notebook}",
            notebook=notebook,
            started=at.isoformat(),
            parameters={"namespace": target},
            who="pgnb",
            host=target,
            commit="",
            pgnb="0.1.0",
            process={},
            verdict="passed",
            ended=at.isoformat(),
            seconds=30.0,
            servers=(server | {"system_identifier": "7"}, server | {"role": "standby"}),
            checks_passed=20,
            number=number,
            previous=previous,
        )
        sealed = replace(record, seal=seal_of(record))
        previous = sealed.seal
        yield sealed


def _figures(record: Record, number: int) -> dict[str, object]:
    lag = {"name": "standby", "bytes": 4096.0 * number, "seconds": 0.2, "connected": True}
    backup = {"ended": record.started, "source": "cronjob/backup"}
    return {"versions": ["17.6"], "lag": lag, "drift": [], "last_backup": backup}
