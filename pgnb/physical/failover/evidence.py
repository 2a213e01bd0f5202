"""The change of roles as its clients saw it, and phase by phase."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pgnb.core.errors import PgnbError
from pgnb.core.journal import Entry
from pgnb.observe.measure import Service, measure_service
from pgnb.observe.phases import measured_silence, plot_phases
from pgnb.observe.plots import Plot
from pgnb.physical.failover.quiet import read_only_by_default
from pgnb.physical.failover.succession import Succession


@contextmanager
def measure_succession(pair: Succession, password: str, *, when: object = True) -> Iterator[Service]:
    """Let a client write through the Service; at the end its rows are looked for on the candidate.

    Without `when` (an empty plan is false), in a plan-only run, and where the old primary does not answer or
    takes no writes, nothing is started. Otherwise as `measure_service`; but a measurement that fails once the
    block has ended is kept for the checks, and stops nothing of what comes next.
    """
    old, _ = pair.old.server() if when else (None, "")
    if old is not None and read_only_by_default(old) != "off":
        yield Service(pair.cluster.journal)  # No client can write; an interrupted run stopped that.
        return
    server, done = old or pair.candidate, False
    service: Service | None = None
    try:
        with measure_service(
            server, password, host=pair.service, when=old is not None, afterwards=pair.candidate
        ) as service:
            yield service
            done = True
    except PgnbError as error:
        if not done or service is None:
            raise
        service.failed = " ".join(f"{error.message} {error.found}".split())


def plot_succession(pair: Succession, service: Service | None = None) -> Plot:
    """Show each phase as a bar, the time without writes as far as a client measured it, and what was lost.

    What was lost are the commits between the candidate's newest one and the fence. Clients may have written
    all that time, so it is drawn apart, and never called a time without writes.
    """
    return plot_phases(pair.path, pair.phases, measured_silence(service), lost=_lost(pair))


def _lost(pair: Succession) -> Entry | None:
    """The time whose commits the candidate does not have; None where it has every one."""
    newest = pair.quiet_from
    if pair.path != "failover" or not pair.phases or newest is None or pair.lost_commits == 0:
        return None
    many = "an unknown number" if pair.lost_commits is None else f"at most {pair.lost_commits:,}"
    seconds = max(0.0, (pair.phases[0].at - newest).total_seconds())
    return Entry(newest, pair.old.name, "commits that the standby does not have", many, True, seconds)
