"""A client's gaps while all processors are busy: what the procedure did is told from the rest."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from observed_pair import PASSWORD, Pair

from pgnb.core.wait import wait_until
from pgnb.observe.measure import next_row
from pgnb.observe.scratch import Scratch
from pgnb.observe.write_log import WriteLog
from pgnb.observe.writer import Writer, start_writer
from pgnb_rehearsal.drills.interruptions import Interruptions, Ran, interruptions

_HOLD = "DO $$ BEGIN LOCK TABLE heartbeat; PERFORM pg_sleep({}); END $$"
_BASELINE = 300
"""Rows from which it is known what the machine does by itself."""


@pytest.fixture
def busy() -> Iterator[None]:
    """Two busy loops for each processor."""
    with ExitStack() as stack:
        for _ in range(2 * (os.cpu_count() or 1)):
            loop = stack.enter_context(subprocess.Popen(["sh", "-c", "while :; do :; done"]))
            stack.callback(loop.kill)
        yield


@pytest.fixture
def client(pair: Pair) -> Iterator[Writer]:
    scratch = Scratch(pair.primary, "interrupted_db")
    writer = start_writer(pair.primary, scratch, PASSWORD)
    yield writer
    writer.stop()
    scratch.plan_drop().apply()


def written(client: Writer, more: int) -> None:
    before = client.report().acknowledged
    wait_until(
        f"{more} rows", client.report, lambda seen: seen.acknowledged >= before + more, timeout=120, every=0.5
    )


def held(pair: Pair, write_log: WriteLog) -> Interruptions:
    acts = [
        Ran(one.at, one.at + timedelta(seconds=one.seconds), "a run", one.what, allowed=False)
        for one in pair.cluster.journal.entries
        if "heartbeat" in one.what
    ]
    return interruptions(write_log, acts)


@pytest.mark.long
@pytest.mark.usefixtures("busy")
def test_busy_loops_alone_break_nothing_and_a_lock_that_the_procedure_holds_does(
    pair: Pair, client: Writer
) -> None:
    written(client, _BASELINE)
    with pair.cluster.journal.act("the table", "look at heartbeat"):
        written(client, _BASELINE)
    quiet = client.report()
    assert quiet.meter.ran
    assert held(pair, quiet).check.ok, held(pair, quiet).check.found

    # Longer than what counts on this machine now, and at least a second.
    seconds = max(1.0, 3 * held(pair, quiet).alone)
    database = client.database
    pair.primary.execute(_HOLD.format(f"{seconds:.3f}"), database=database, what="LOCK TABLE heartbeat")
    (broken,) = held(pair, next_row(client, datetime.now(UTC))).broken
    assert broken.gap.seconds >= seconds
    assert "LOCK TABLE heartbeat" in broken.cause
    assert not broken.refused


def test_a_connection_that_the_procedure_ends_is_an_interruption_however_short(
    pair: Pair, client: Writer
) -> None:
    written(client, _BASELINE)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgnb-writer'"
    pair.primary.execute(cut, what="end the sessions on heartbeat")
    found = held(pair, next_row(client, datetime.now(UTC)))
    assert any(one.refused and "end the sessions" in one.cause for one in found.broken)


def test_a_service_that_is_measured_tells_the_machines_share(client: Writer) -> None:
    written(client, 20)
    assert "an idle process beside the client was " in str(client.report())
