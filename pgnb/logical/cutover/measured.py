"""The cut-over as a client saw it: writing through the Service, before and after, and phase by phase."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from pgnb.logical.cutover.parties import Cutover
from pgnb.observe.measure import Service, next_row, started
from pgnb.observe.phases import measured_silence, plot_phases
from pgnb.observe.plots import Plot
from pgnb.observe.scratch import Scratch
from pgnb.observe.write_log import DurabilityCheck, WriteLog
from pgnb.observe.writer import Writer, make_table
from pgnb.postgres.scratch import CUTOVER


@contextmanager
def measure_cutover(
    cut: Cutover, password: str, subscriber_password: str, *, when: object = True
) -> Iterator[Service]:
    """Let a client write through the Service all the while, into a scratch database that both servers have.

    The scratch database is stopped and led on with the others, so that its client sees what theirs see; its
    rows are looked for on both servers, and it is dropped on both. Passwords as for `start_writer`. Without
    `when` (an empty plan is false), in a plan-only run and on another path than `cutover` nothing is
    started; what a killed run left of it is dropped all the same, where this one applies. A client that
    can't be started stops nothing: the checks say that nobody measured. Raises DeadlineExceeded when the
    client doesn't come back.
    """
    service = Service(cut.cluster.journal)
    if cut.cluster.journal.dry_run or cut.path != "cutover" or cut.why_absent:
        yield service
        return
    here, there = Scratch(cut.publisher, CUTOVER), Scratch(cut.subscriber, CUTOVER)
    if not when:
        here.drop_left()
        there.drop_left()
        yield service
        return
    try:
        _drop(here, there)  # One that a killed run left is read-only.
        make_table(there)
        writer = started(
            service, cut.publisher, here, password, host=cut.service, other_password=subscriber_password
        )
        if writer is None:
            _drop(here, there)
            yield service
            return
        cut.watched = CUTOVER
        try:
            yield service
            service.write_log = next_row(writer, datetime.now(UTC))
            service.durability = _found(writer, cut, service.write_log)
        finally:
            cut.watched = ""
            writer.stop()
    finally:
        _drop(here, there)


def _drop(*scratches: Scratch) -> None:
    for scratch in scratches:
        scratch.plan_drop().apply()


def _found(writer: Writer, cut: Cutover, writing: WriteLog) -> DurabilityCheck:
    """Each acknowledged row is on the publisher, or, from the switch on, on the subscriber."""
    gone = writer.check_durability(cut.publisher, writing).missing
    missing = writer.check_durability(cut.subscriber, replace(writing, ids=gone)).missing
    return DurabilityCheck("either server", writing.acknowledged, missing)


def plot_cutover(cut: Cutover, service: Service | None = None) -> Plot:
    """Each phase as a bar, and the time without writes, where a client measured it."""
    return plot_phases(cut.path, cut.phases, measured_silence(service), "measured by a client")
