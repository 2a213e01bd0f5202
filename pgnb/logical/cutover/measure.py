"""Measure a cut-over with a client that writes through the Service, before, during and after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from pgnb.logical.cutover.participants import Cutover
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
    """Let a client write through the Service meanwhile, into a scratch database on both servers.

    The scratch database is blocked and switched with the others, so that its client sees what theirs see. Its
    rows are looked for on both servers, and it is dropped on both. Passwords as for `start_writer`. Does
    nothing if `when` is false, in a plan-only run, or for operations other than `cutover`; a scratch database
    left by an interrupted run is still dropped when the run applies. A client that cannot be started stops
    nothing: the checks then say that nothing was measured. Raises DeadlineExceeded if the client cannot write
    again.
    """
    service = Service(cut.cluster.journal)
    if cut.cluster.journal.dry_run or cut.operation != "cutover" or cut.why_absent:
        yield service
        return
    here, there = Scratch(cut.publisher, CUTOVER), Scratch(cut.subscriber, CUTOVER)
    if not when:
        here.drop_left()
        there.drop_left()
        yield service
        return
    try:
        _drop(here, there)  # One left by an interrupted run is read-only.
        make_table(there)
        writer = started(
            service, cut.publisher, here, password, host=cut.service, other_password=subscriber_password
        )
        if writer is None:
            _drop(here, there)
            yield service
            return
        cut.progress.watched = CUTOVER
        try:
            yield service
            seen = service.keep(next_row(writer, datetime.now(UTC)))
            service.durability = _found(writer, cut, seen)
        finally:
            cut.progress.watched = ""
            writer.stop()
    finally:
        _drop(here, there)


def _drop(*scratches: Scratch) -> None:
    for scratch in scratches:
        scratch.plan_drop().apply()


def _found(writer: Writer, cut: Cutover, writing: WriteLog) -> DurabilityCheck:
    """Look for each acknowledged row on the publisher, then on the subscriber."""
    not_there = writer.check_durability(cut.publisher, writing).missing
    missing = writer.check_durability(cut.subscriber, replace(writing, ids=not_there)).missing
    return DurabilityCheck("either server", writing.acknowledged, missing)


def plot_cutover(cut: Cutover, service: Service | None = None) -> Plot:
    """Plot each phase as a bar, and the time without writes if a client measured it."""
    return plot_phases(cut.operation, cut.phase.entries, measured_silence(service), "measured by a client")
