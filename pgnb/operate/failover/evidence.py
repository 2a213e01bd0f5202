"""The change of roles as its clients saw it, and phase by phase."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pgnb.journal import Entry
from pgnb.observe.measure import Service, measure_service
from pgnb.observe.plots import Plot
from pgnb.operate.failover.succession import Succession
from pgnb.operate.phases import Silence, measured_silence, plot_phases


@contextmanager
def measure_succession(pair: Succession, password: str, *, when: object = True) -> Iterator[Service]:
    """Let a client write through the Service; at the end its rows are looked for on the candidate.

    Without `when` (an empty plan is false), in a plan-only run, and where the old primary does not answer,
    nothing is started. Otherwise as `measure_service`.
    """
    old, _ = pair.old.server() if when else (None, "")
    server = old or pair.candidate
    wished = bool(when) and old is not None
    with measure_service(
        server, password, host=pair.service, when=wished, afterwards=pair.candidate
    ) as service:
        yield service


def plot_succession(pair: Succession, service: Service | None = None) -> Plot:
    """Each phase as a bar, and the time without writes: the client's longest gap where one was measured."""
    silent, by = _silent(pair, service)
    return plot_phases(pair.path, pair.phases, silent, by, before=_before(pair, silent))


def _before(pair: Succession, silent: Silence | None) -> list[Entry]:
    """What passed between the newest commit and this run's first phase: the loss, then the wait."""
    if pair.path != "failover" or not pair.phases or silent is None:
        return []
    seconds = max(0.0, (pair.phases[0].at - silent[0]).total_seconds())
    return [Entry(silent[0], pair.old.name, "no commit arrives, until somebody acts", "", True, seconds)]


def _silent(pair: Succession, service: Service | None) -> tuple[Silence | None, str]:
    if (measured := measured_silence(service)) is not None:
        return measured, "measured by a client"
    if pair.quiet_from and pair.quiet_to and pair.phases:
        return (pair.quiet_from, pair.quiet_to), "since the newest commit"
    return None, ""
