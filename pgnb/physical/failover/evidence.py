"""The change of roles as its clients saw it, and phase by phase."""

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
    """Let a client write through the Service; at the end its rows are looked for on the candidate.

    Without `when` (an empty plan is false), in a plan-only run, and where the old primary does not answer or
    takes no writes, nothing is started. Otherwise as `measure_service`; but a measurement that fails once the
    block has ended is kept for the checks, and stops nothing of what comes next.
    """
    old, _ = role_change.old.server() if when else (None, "")
    if old is not None and read_only_by_default(old) != "off":
        yield Service(role_change.cluster.journal)  # No client can write; an interrupted run stopped that.
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
    """Show each phase as a bar, the time without writes as far as a client measured it, and what was lost.

    What was lost are the commits between the candidate's newest one and the fence. Clients may have written
    all that time, so it is drawn apart, and never called a time without writes.
    """
    return plot_phases(
        role_change.operation, role_change.phases, measured_silence(service), lost=_lost(role_change)
    )


def _lost(role_change: RoleChange) -> Entry | None:
    """The time whose commits the candidate does not have; None where it has every one."""
    newest = role_change.writes_stopped_at
    if (
        role_change.operation != "failover"
        or not role_change.phases
        or newest is None
        or role_change.lost_commits == 0
    ):
        return None
    many = (
        "an unknown number" if role_change.lost_commits is None else f"at most {role_change.lost_commits:,}"
    )
    seconds = max(0.0, (role_change.phases[0].at - newest).total_seconds())
    return Entry(newest, role_change.old.name, "commits that the standby does not have", many, True, seconds)
