"""A change of roles as measured by a client, and its phases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pgnb.core.errors import PgnbError
from pgnb.core.journal import Entry
from pgnb.observe.measure import Service, measure_service
from pgnb.observe.phases import measured_silence, plot_phases
from pgnb.observe.plots import Plot
from pgnb.physical.failover.participants import RoleChange
from pgnb.physical.failover.write_block import read_only_by_default


@contextmanager
def measure_failover(role_change: RoleChange, password: str, *, when: object = True) -> Iterator[Service]:
    """Write through the Service during the block; then look for the acknowledged rows on the candidate.

    Nothing is started if `when` is false (an empty plan is), in a plan-only run, or if the old primary does
    not answer or accepts no writes. Otherwise as `measure_service`; but if the measurement fails after the
    block, the failure is kept for the checks and does not stop the run.
    """
    old, _ = role_change.old.server() if when else (None, "")
    if old is not None and read_only_by_default(old) != "off":
        yield Service(role_change.cluster.journal)  # An interrupted run has stopped all writes already.
        return
    server, done = old or role_change.candidate, False
    service: Service | None = None
    try:
        with measure_service(
            server, password, host=role_change.service, when=old is not None, afterwards=role_change.candidate
        ) as service:
            yield service
            done = True
    except PgnbError as error:
        if not done or service is None:
            raise
        service.failed = " ".join(f"{error.message} {error.found}".split())


def plot_failover(role_change: RoleChange, service: Service | None = None) -> Plot:
    """Show each phase as a bar, the time without writes if it was measured, and the time of lost commits.

    Lost are the commits between the candidate's newest one and the fence. Clients may have written all that
    time, so it is drawn separately from the time without writes.
    """
    return plot_phases(
        role_change.operation, role_change.phase.entries, measured_silence(service), lost=_lost(role_change)
    )


def _lost(role_change: RoleChange) -> Entry | None:
    """Return the time whose commits the candidate lacks; None if it has all of them."""
    newest, lost = role_change.progress.writes_stopped_at, role_change.progress.lost_commits
    if role_change.operation != "failover" or not role_change.phase.entries or newest is None or lost == 0:
        return None
    many = "an unknown number" if lost is None else f"at most {lost:,}"
    seconds = max(0.0, (role_change.phase.entries[0].at - newest).total_seconds())
    return Entry(newest, role_change.old.name, "commits that the standby does not have", many, True, seconds)
